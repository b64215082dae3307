"""`skyrack render`: files for other runtimes."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from skyrack.orchestrator.cli.console import note
from skyrack.orchestrator.cli.exits import FAILED, USAGE, Problem
from skyrack.orchestrator.cli.scenario import ScenarioArgument, chosen
from skyrack.orchestrator.runtime.files import write_whole
from skyrack.orchestrator.scenario import load_scenario

COMPOSE_FILE = "compose.yaml"
MADE_BY = "Made by `skyrack render compose"

app = typer.Typer(
    help="Write a scenario as files for another runtime.", no_args_is_help=True, rich_markup_mode=None
)


@app.callback()
def _group() -> None:
    """Write a scenario as files for another runtime."""


@app.command()
def compose(
    source: ScenarioArgument = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            help="Directory to write to, or - for compose.yaml alone on stdout. Default: compose-NAME.",
            show_default=False,
        ),
    ] = None,
    build: Annotated[
        str | None,
        typer.Option(
            help="Have `docker compose` build the image from this directory, relative to the files.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite files that were not made by this command.")
    ] = False,
) -> None:
    """Write a Docker Compose project: a container per node, fabric, orchestrator, broker, Prometheus and Grafana."""
    from skyrack.orchestrator.render.project import project_files

    given = chosen(source)
    scenario = load_scenario(given)
    target = out if out is not None else f"compose-{scenario.name}"
    options = f" --build {build}" if build else ""
    about = [
        f"{MADE_BY} {given}{options}`: change the scenario and make it anew.",
        "",
        "  docker compose up -d --wait                          start, and return when everything is healthy",
        "  docker compose exec orchestrator skyrack status      the command line of the run",
        "  docker compose run --rm load echo --for 30s          a workload, with a verdict",
        "  docker compose down -v                               leave nothing",
    ]
    files = project_files(scenario, about=about, build=build)
    if target == "-":
        print(files[COMPOSE_FILE], end="")
        return
    directory = Path(target)
    _refuse_strangers(directory, files, force=force)
    write_tree(directory, files)
    print(directory / COMPOSE_FILE)
    note(f"next: docker compose -f {shlex.quote(str(directory / COMPOSE_FILE))} up -d --wait")


def _refuse_strangers(directory: Path, files: Iterable[str], *, force: bool) -> None:
    """Raise Problem for files that somebody wrote: all that are there, unless compose.yaml is one of ours."""
    with contextlib.suppress(OSError, UnicodeError):
        if (directory / COMPOSE_FILE).read_text(encoding="utf-8").startswith(f"# {MADE_BY}"):
            return
    strangers = [directory / name for name in files if os.path.lexists(directory / name)]
    if strangers and not force:
        raise Problem(
            f"{strangers[0]} exists and was not made by this command",
            hint="choose another -o, or --force",
            status=USAGE,
        )


def write_tree(directory: Path, files: dict[str, str]) -> None:
    """Write the files below `directory`, each whole or not at all, readable to the users that containers run as."""
    try:
        for name, text in files.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, text)
            path.chmod(0o644)
        for parent in {
            directory,
            *(p for name in files for p in (directory / name).parents if directory in p.parents),
        }:
            parent.chmod(0o755)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise Problem(f"cannot write {where}{os.strerror(error.errno or 0)}", status=FAILED) from error
