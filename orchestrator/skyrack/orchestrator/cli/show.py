"""`skyrack status`, `skyrack logs` and `skyrack version`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from skyrack.orchestrator.cli.console import Format, Output, coloured, note, print_json, print_table
from skyrack.orchestrator.cli.exits import USAGE, Problem
from skyrack.orchestrator.cli.find import RunName, find_run
from skyrack.orchestrator.runtime import paths

FOLLOW_S = 0.2


def status(
    run: RunName = None,
    everything: Annotated[bool, typer.Option("--all", "-a", help="Show bare satellites too.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """Show a run: its nodes, the fabric, the links in force."""
    answer = find_run(run).status()
    if output is Format.JSON:
        print_json(answer)
        return
    nodes = [node for node in answer["nodes"] if everything or node["inhabited"]]
    rows = [
        [n["name"], n["kind"], n["state"], n["address"], str(n["pid"] or "-"), str(n["restarts"])]
        for n in nodes
    ]
    links, fabric = answer["links"], answer["fabric"]
    print(
        f"{answer['run']}: {answer['state']} for {answer['run_s']:.0f} s, speed {answer['speed']:g}, "
        f"{links['laser']} lasers, {links['ground']} ground links, fabric {fabric['scheduler']} {answer['http']}".rstrip()
    )
    print_table(["NODE", "KIND", "STATE", "ADDRESS", "PID", "RESTARTS"], rows)
    bare = len(answer["nodes"]) - sum(n["inhabited"] for n in answer["nodes"])
    if bare and not everything:
        note(f"and {bare} bare satellites, which forward and answer ping: skyrack status --all")


def logs(
    what: Annotated[
        str, typer.Argument(help="A node, or one of events, orchestrator, fabric, zygote.", metavar="[NODE]")
    ] = "events",
    run: RunName = None,
    run_dir: Annotated[
        Path | None,
        typer.Option("--run-dir", help="Read a recorded run instead of a live one.", show_default=False),
    ] = None,
    lines: Annotated[
        int, typer.Option("--lines", "-n", help="How many of the newest lines; 0 for all.", min=0)
    ] = 50,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with new lines until Ctrl-C.")
    ] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Print lines as they are in the file.")] = False,
) -> None:
    """Show what a node or a part of a run has logged."""
    directory = run_dir or _run_dir(run)
    path = directory / "events.jsonl" if what == "events" else _log_file(directory, what)
    with path.open(encoding="utf-8", errors="replace") as file:
        text = file.readlines()
        for line in text[-lines:] if lines else text:
            _print_line(line, raw=raw)
        if follow:
            for line in _new_lines(file):
                _print_line(line, raw=raw)


def version() -> None:
    """Print the version."""
    print(installed_version("skyrack"))


def _run_dir(run: str | None) -> Path:
    if run is None and not paths.live_runs() and (latest := Path("runs/latest")).exists():
        note(f"no run is up; reading {latest.resolve().name}")
        return latest
    return Path(find_run(run).record.run_dir)


def _log_file(directory: Path, what: str) -> Path:
    logs_dir = directory / "logs"
    for suffix in (".jsonl", ".log"):
        if (path := logs_dir / f"{what}{suffix}").exists():
            return path
    known = sorted(path.stem for path in logs_dir.glob("*")) if logs_dir.exists() else []
    raise Problem(
        f"no log called {what!r} in {logs_dir}", hint=f"there are events, {', '.join(known)}", status=USAGE
    )


def _new_lines(file: TextIO) -> Iterator[str]:
    pending = ""
    while True:
        pending += file.readline()
        if pending.endswith("\n"):
            yield pending
            pending = ""
        else:
            time.sleep(FOLLOW_S)


def _print_line(line: str, *, raw: bool) -> None:
    line = line.rstrip("\n")
    if raw:
        print(line)
        return
    try:
        record: dict[str, Any] = json.loads(line)
    except ValueError:
        print(line)
        return
    when = record.pop("time", None) or f"{record.pop('run_s', 0.0):10.3f} s"
    level = str(record.pop("level", "")).upper()
    text = record.pop("msg", None) or record.pop("event", "")
    for key in ("seq", "node") if "level" in record else ("seq",):
        record.pop(key, None)
    fields = " ".join(f"{key}={value}" for key, value in record.items())
    colour = {"ERROR": "31", "WARNING": "33"}.get(level, "0")
    head = f"{when} {coloured(level, colour, sys.stdout)} " if level else f"{when} "
    print(f"{head}{text} {fields}".rstrip())
