"""`skyrack path`: the computed way between two nodes or the state of one link, and why there is none.

Without a run it computes; with --run it asks a run what is in force there, beside what is ideal.
"""

from __future__ import annotations

import csv
import sys
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from skyrack.orchestrator.cli.console import note, print_json, print_table
from skyrack.orchestrator.cli.exits import USAGE, Problem
from skyrack.orchestrator.cli.scenario import chosen
from skyrack.orchestrator.cli.sizes import parse_size_bytes
from skyrack.orchestrator.cli.times import parse_instant_s, parse_span_s

MOST_ROWS = 1_000_000


class PathFormat(StrEnum):
    """How to print paths."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def path(
    a: Annotated[str | None, typer.Argument(help="From this node.", show_default=False)] = None,
    b: Annotated[str | None, typer.Argument(help="To this node.", show_default=False)] = None,
    link: Annotated[
        str | None, typer.Option(help="Instead of a path: this link, as A-B.", show_default=False)
    ] = None,
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
    compare: Annotated[
        bool,
        typer.Option("--compare", help="The shortest over lasers, bent pipes and fibre beside the best."),
    ] = False,
    run: Annotated[str | None, typer.Option("--run", help="Ask this run, now.", show_default=False)] = None,
    size: Annotated[
        str | None,
        typer.Option(
            help="Where there is no way: how this much would be stored and forwarded, e.g. 2GB. "
            "Default: 1MB where the strategy is contact-graph.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Print the ideal round trip and path over time: the shortest way at each instant, propagation only."""
    if (link is None) == (b is None) or (link is not None and a is not None):
        raise Problem("expected two nodes, a and b, or --link A-B", status=USAGE)
    if link is not None and size is not None:
        raise Problem("--size is about a path, not a link", status=USAGE)
    size_bytes = parse_size_bytes(size) if size is not None else None
    if run is not None:
        given = [
            ("--at", at, "0"),
            ("--for", span, "0"),
            ("--step", step, "1"),
            ("--scenario", scenario, None),
            ("--compare", compare, False),
        ]
        if odd := [name for name, value, usual in given if value != usual]:
            raise Problem(f"{odd[0]} does not go with --run, which is asked about now", status=USAGE)
        if output is PathFormat.CSV:
            raise Problem("-o csv does not go with --run", hint="-o json", status=USAGE)
        from skyrack.orchestrator.cli.path_live import show_link, show_path

        if link is not None:
            show_link(run, link, json_wanted=output is PathFormat.JSON)
        else:
            assert a is not None
            assert b is not None
            show_path(run, a, b, size_bytes, json_wanted=output is PathFormat.JSON)
        return
    from skyrack.orchestrator.cli.describe import geometry_of
    from skyrack.orchestrator.cli.find import require_name
    from skyrack.orchestrator.cli.path_bundle import SIZE_BYTES, bundle_lines, bundle_of
    from skyrack.orchestrator.routing.ideal import ideal_path
    from skyrack.orchestrator.scenario import load_scenario
    from skyrack.orchestrator.topology.explain import explain_no_path

    geometry = geometry_of(load_scenario(chosen(scenario)))
    if link is not None:
        if span != "0" or step != "1" or compare or output is PathFormat.CSV:
            raise Problem("--link tells of one instant: no --for, --step, --compare or -o csv", status=USAGE)
        from skyrack.orchestrator.cli.path_link import link_ends, link_lines
        from skyrack.orchestrator.topology.explain import explain_link, link_record

        ends = link_ends(link, list(geometry.names))
        t_s = parse_instant_s("--at", at, geometry.start)
        state = explain_link(geometry, geometry.index_of(ends[0]), geometry.index_of(ends[1]), t_s)
        record = link_record(*ends, t_s, state)
        if output is PathFormat.JSON:
            print_json(record)
        else:
            print("\n".join(link_lines(record)))
        return
    assert a is not None
    assert b is not None
    for name in (a, b):
        require_name(name, list(geometry.names))
    first_s, span_s, step_s = (
        parse_instant_s("--at", at, geometry.start),
        parse_span_s(span),
        parse_span_s(step),
    )
    if step_s <= 0:
        raise Problem("--step must be longer than 0", status=USAGE)
    # As `range` counts: 200 s in steps of 0.1 s are 2,000 rows; a span of 0 is the one instant.
    count = max(1, round(span_s / step_s))
    if count > MOST_ROWS:
        raise Problem(f"{count:,} rows, {MOST_ROWS:,} at most", hint="a longer --step", status=USAGE)
    start, end = geometry.index_of(a), geometry.index_of(b)
    instants_s = [round(first_s + i * step_s, 9) for i in range(count)]
    if compare:
        from skyrack.orchestrator.cli.path_compare import compared, print_compared

        found_ways = compared(geometry, start, end, instants_s)
        if output is PathFormat.JSON:
            ways = [asdict(row) for row in found_ways]
            print_json({"a": a, "b": b, "start": geometry.start.isoformat(), "rows": ways})
        else:
            print_compared(found_ways, as_csv=output is PathFormat.CSV)
        return
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if output is PathFormat.CSV:
        writer.writerow(["t_s", "rtt_ms", "path"])
    rows: list[dict[str, object]] = []
    for t_s in instants_s:
        found = ideal_path(geometry, start, end, t_s)
        names = [geometry.names[node] for node in found[2]] if found else []
        rtt_ms = found[0] * 1e3 if found else None
        if output is PathFormat.CSV:
            writer.writerow(
                [f"{t_s:g}" if t_s < 1e6 else t_s, "" if rtt_ms is None else f"{rtt_ms:.9f}", ">".join(names)]
            )
        else:
            row: dict[str, object] = {"t_s": t_s, "rtt_ms": rtt_ms, "path": names}
            if found is None and (not rows or rows[-1]["path"]):  # an outage is explained where it begins
                row["why"] = [reason.text for reason in explain_no_path(geometry, start, end, t_s)]
                if size_bytes is not None or geometry.scenario.routing.strategy == "contact-graph":
                    row["bundle"] = bundle_of(geometry, start, end, t_s, size_bytes or SIZE_BYTES)
            rows.append(row)
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
        if (first := next((row for row in rows if row["rtt_ms"] is None), None)) is not None:
            reasons = first.get("why", [])
            assert isinstance(reasons, list)
            note(f"- means no way at that instant; at {first['t_s']:g} s because")
            for reason in reasons:
                note(f"  {reason}")
            if (bundle := first.get("bundle")) is not None:
                assert isinstance(bundle, dict)
                for line in bundle_lines(bundle, clock="t_s"):
                    note(line)


def _arrow(names: object) -> str:
    assert isinstance(names, list)
    return " > ".join(names) if names else "unreachable"
