"""`skyrack plan`: everything that is decided beforehand, as plan.jsonl."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from skyrack.orchestrator.cli.console import note
from skyrack.orchestrator.cli.exits import Problem
from skyrack.orchestrator.cli.scenario import ScenarioArgument, chosen
from skyrack.orchestrator.cli.times import parse_span_s


def plan(
    source: ScenarioArgument = None,
    span: Annotated[str, typer.Option("--for", help="How far to plan, e.g. 600, 10m, 2h.")] = "10m",
    file: Annotated[Path, typer.Option("--file", "-f", help="Where to write; - for standard output.")] = Path(
        "plan.jsonl"
    ),
) -> None:
    """Write contacts, handovers and route changes; the same scenario and seed give the same file byte for byte."""
    from skyrack.orchestrator.routing.plan import plan_records

    from skyrack.orchestrator.cli.describe import geometry_of
    from skyrack.orchestrator.scenario import load_scenario

    duration_s = parse_span_s(span)
    geometry = geometry_of(load_scenario(chosen(source)))
    counts: dict[str, int] = {}
    lines: list[str] = []
    for record in plan_records(geometry, duration_s):
        counts[str(record["event"])] = counts.get(str(record["event"]), 0) + 1
        lines.append(json.dumps(record, separators=(",", ":")) + "\n")
    if str(file) == "-":
        sys.stdout.writelines(lines)
        return
    temporary = file.with_name(f".{file.name}.new")
    try:
        temporary.write_text("".join(lines))
        temporary.replace(file)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise Problem(f"cannot write {file}: {error.strerror}") from error
    print(file)
    note(", ".join(f"{count:,} {kind}" for kind, count in sorted(counts.items())) + f" in {duration_s:g} s")
