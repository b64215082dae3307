"""`skyrack init`, `skyrack validate` and `skyrack schema`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from skyrack.orchestrator.cli.console import note
from skyrack.orchestrator.cli.exits import FAILED, USAGE, Problem
from skyrack.orchestrator.cli.init_service import write_example
from skyrack.orchestrator.scenario import dump_scenario, json_schema, load_scenario, preset_names

DEFAULT_FILE = Path("skyrack.yaml")
DEFAULT_SERVICE_DIR = Path("counter")
DEFAULT_PRESET = "iridium"

ScenarioArgument = Annotated[
    str | None,
    typer.Argument(
        help="A scenario file or the name of a preset. Default: ./skyrack.yaml, else the preset iridium.",
        show_default=False,
    ),
]

TEMPLATE = """\
# A scenario: everything not said here comes from the preset. All keys: skyrack schema
version: 1
name: {name}
extends: {preset}

# Which satellites have a real process; the others forward packets all the same.
inhabited: {{count: 12}}

ground:
  - london
  - tokyo
  - {{name: my-gateway, lat_deg: -33.45, lon_deg: -70.67, altitude_m: 520}}

workloads:
  - kind: echo
    pairs: random
    rate_hz: 50
    thresholds: {{p99_ms: 400, availability_ratio: 0.99}}
"""


def chosen(source: str | None) -> str:
    """The scenario a command means when none is named."""
    if source is not None:
        return source
    return str(DEFAULT_FILE) if DEFAULT_FILE.exists() else DEFAULT_PRESET


def init(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="The file to write, or with --service the directory. Default: skyrack.yaml, counter.",
            show_default=False,
        ),
    ] = None,
    preset: Annotated[str, typer.Option(help="The preset to extend.")] = DEFAULT_PRESET,
    service: Annotated[
        bool, typer.Option("--service", help="Write a service in Python with its scenario, client and tests.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
) -> None:
    """Write a scenario file to start from, or a service in Python that works."""
    if service:
        if preset != DEFAULT_PRESET:
            raise Problem(
                f"the service comes with a scenario of {DEFAULT_PRESET}",
                hint="change its `extends`",
                status=USAGE,
            )
        write_example(file or DEFAULT_SERVICE_DIR, force=force)
        return
    file = file or DEFAULT_FILE
    if preset not in preset_names():
        raise Problem(
            f"no preset is called {preset!r}", hint=f"there are {', '.join(preset_names())}", status=USAGE
        )
    text = TEMPLATE.format(name=f"my-{preset}", preset=preset)
    try:
        with file.open("w" if force else "x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError:
        raise Problem(f"{file} exists", hint="choose another name, or --force", status=USAGE) from None
    except OSError as error:
        raise Problem(f"cannot write {file}: {error.strerror}", status=FAILED) from error
    print(file)
    note(f"next: skyrack validate {file}  |  skyrack up {file}")


def validate(
    source: ScenarioArgument = None,
    resolved: Annotated[
        bool, typer.Option("--resolved", help="Print the scenario with everything filled in.")
    ] = False,
) -> None:
    """Check a scenario and say what it describes; every error at once."""
    from skyrack.orchestrator.cli.describe import describe

    scenario = load_scenario(chosen(source))
    if resolved:
        print(dump_scenario(scenario), end="")
        return
    for line in describe(scenario):
        print(line)
    note(f"next: skyrack up {source or ''}".rstrip())


def schema() -> None:
    """Print the JSON schema of scenario files, for editors."""
    print(json.dumps(json_schema(), indent=2))
