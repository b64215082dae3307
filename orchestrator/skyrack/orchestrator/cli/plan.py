"""`skyrack plan`: everything that is decided beforehand, as plan.jsonl."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from skyrack.orchestrator.cli.console import note
from skyrack.orchestrator.cli.exits import USAGE, Problem
from skyrack.orchestrator.cli.scenario import ScenarioArgument, chosen
from skyrack.orchestrator.cli.times import parse_span_s
from skyrack.orchestrator.runtime.files import write_whole


def plan(
    source: ScenarioArgument = None,
    span: Annotated[str, typer.Option("--for", help="How far to plan, e.g. 600, 10m, 2h.")] = "10m",
    file: Annotated[Path, typer.Option("--file", "-f", help="Where to write; - for standard output.")] = Path(
        "plan.jsonl"
    ),
) -> None:
    """Write contacts, handovers, routes, eclipses and faults; the same scenario and seed give the same file byte for byte."""
    from skyrack.orchestrator.cli.describe import geometry_of
    from skyrack.orchestrator.faults.problem import FaultProblem
    from skyrack.orchestrator.routing.plan import plan_lines
    from skyrack.orchestrator.scenario import load_scenario

    duration_s = parse_span_s(span)
    geometry = geometry_of(load_scenario(chosen(source)))
    try:
        lines = [line + "\n" for line in plan_lines(geometry, duration_s)]
    except FaultProblem as problem:
        raise Problem(str(problem), status=USAGE) from problem
    if str(file) == "-":
        sys.stdout.writelines(lines)
        return
    try:
        write_whole(file, "".join(lines))
    except OSError as error:
        raise Problem(f"cannot write {file}: {error.strerror or error}") from error
    print(file)
    counts = Counter(str(json.loads(line)["record"]) for line in lines[1:])
    words = {"weather": "weather record", "anomaly": "anomaly pass"}
    told = ", ".join(
        f"{count:,} {_plural(words.get(kind, kind), count)}" for kind, count in sorted(counts.items())
    )
    links = geometry.scenario.links
    note(f"{geometry.n_sat:,} satellites with {links.lasers_per_satellite} laser terminals each")
    note(f"{told or 'nothing'} in {duration_s:g} s")


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}es" if word.endswith("s") else f"{word}s"
