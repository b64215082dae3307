"""`skyrack path`: the computed way and round trip between two nodes, without starting anything."""

from __future__ import annotations

import csv
import sys
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer

from skyrack.orchestrator.cli.console import note, print_json, print_table
from skyrack.orchestrator.cli.exits import USAGE, Problem
from skyrack.orchestrator.cli.scenario import chosen
from skyrack.orchestrator.cli.times import LONGEST_SPAN_S, parse_span_s

MOST_ROWS = 1_000_000


class PathFormat(StrEnum):
    """How to print paths."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def path(
    a: Annotated[str, typer.Argument(help="From this node.")],
    b: Annotated[str, typer.Argument(help="To this node.")],
    scenario: Annotated[
        str | None,
        typer.Option("--scenario", "-s", help="A file or a preset. Default: as for up.", show_default=False),
    ] = None,
    at: Annotated[str, typer.Option(help="First instant: seconds from the start, or a UTC time.")] = "0",
    span: Annotated[str, typer.Option("--for", help="How long to look, e.g. 200, 90s, 10m, 2h.")] = "0",
    step: Annotated[str, typer.Option(help="Time between rows.")] = "1",
    output: Annotated[
        PathFormat, typer.Option("--output", "-o", help="How to print the rows.")
    ] = PathFormat.TABLE,
) -> None:
    """Print the ideal round trip and path over time: the shortest way at each instant, propagation only."""
    from skyrack.orchestrator.cli.describe import geometry_of
    from skyrack.orchestrator.cli.find import require_name
    from skyrack.orchestrator.routing.ideal import ideal_path
    from skyrack.orchestrator.scenario import load_scenario

    geometry = geometry_of(load_scenario(chosen(scenario)))
    for name in (a, b):
        require_name(name, list(geometry.names))
    first_s, span_s, step_s = _instant_s(at, geometry.start), parse_span_s(span), parse_span_s(step)
    if step_s <= 0:
        raise Problem("--step must be longer than 0", status=USAGE)
    # As `range` counts: 200 s in steps of 0.1 s are 2,000 rows; a span of 0 is the one instant.
    count = max(1, round(span_s / step_s))
    if count > MOST_ROWS:
        raise Problem(f"{count:,} rows, {MOST_ROWS:,} at most", hint="a longer --step", status=USAGE)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if output is PathFormat.CSV:
        writer.writerow(["t_s", "rtt_ms", "path"])
    rows: list[dict[str, object]] = []
    start, end = geometry.index_of(a), geometry.index_of(b)
    for i in range(count):
        t_s = round(first_s + i * step_s, 9)
        found = ideal_path(geometry, start, end, t_s)
        names = [geometry.names[node] for node in found[2]] if found else []
        rtt_ms = found[0] * 1e3 if found else None
        if output is PathFormat.CSV:
            writer.writerow(
                [f"{t_s:g}" if t_s < 1e6 else t_s, "" if rtt_ms is None else f"{rtt_ms:.9f}", ">".join(names)]
            )
        else:
            rows.append({"t_s": t_s, "rtt_ms": rtt_ms, "path": names})
    if output is PathFormat.JSON:
        print_json({"a": a, "b": b, "start": geometry.start.isoformat(), "rows": rows})
    elif output is PathFormat.TABLE:
        cells = [
            [
                f"{row['t_s']:g}",
                f"{row['rtt_ms']:.3f}" if row["rtt_ms"] is not None else "-",
                _arrow(row["path"]),
            ]
            for row in rows
        ]
        print_table(["T_S", "RTT_MS", "PATH"], cells)
        if any(row["rtt_ms"] is None for row in rows):
            note("- means no way at that instant: no satellite in sight of an end, or a partition")


def _arrow(names: object) -> str:
    assert isinstance(names, list)
    return " > ".join(names) if names else "unreachable"


def _instant_s(text: str, start: datetime) -> float:
    """Orbit seconds from a number or an ISO time. Raises Problem."""
    try:
        t_s = float(text)
    except ValueError:
        pass
    else:
        if not abs(t_s) <= LONGEST_SPAN_S:
            raise Problem(f"--at {text!r}: not within 100 years of the start", status=USAGE)
        return t_s
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise Problem(
            f"--at {text!r}: expected seconds or a UTC time",
            hint="for instance 90 or 2026-01-01T00:01:30Z",
            status=USAGE,
        ) from None
    if when.tzinfo is None:
        raise Problem(f"--at {text!r} has no time zone", hint=f"write {when.isoformat()}Z", status=USAGE)
    return (when - start).total_seconds()
