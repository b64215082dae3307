"""`skyrack coverage`: how much of the ground a constellation sees, without starting anything."""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from skyrack.orchestrator.cli.console import note, print_json, print_table
from skyrack.orchestrator.cli.exits import USAGE, Problem
from skyrack.orchestrator.cli.path import PathFormat
from skyrack.orchestrator.cli.scenario import ScenarioArgument, chosen
from skyrack.orchestrator.cli.times import parse_span_s
from skyrack.orchestrator.runtime.files import write_whole

MOST_INSTANTS = 1_000_000
_TOLD_EVERY = 50  # instants


def coverage(
    source: ScenarioArgument = None,
    span: Annotated[str, typer.Option("--for", help="How long to look, e.g. 90m, 1d.")] = "1d",
    step: Annotated[str, typer.Option(help="Time between looks; outages are counted in whole steps.")] = "60",
    grid_deg: Annotated[
        float, typer.Option("--grid", help="Distance of points on the ground, degrees.")
    ] = 5.0,
    output: Annotated[
        PathFormat, typer.Option("--output", "-o", help="How to print the rows.")
    ] = PathFormat.TABLE,
    plot: Annotated[Path | None, typer.Option(help="Draw it into this SVG file.", show_default=False)] = None,
) -> None:
    """Print the share of the ground seen, satellites in view and outages by latitude, above the scenario's mask."""
    from skyrack.orchestrator.cli.describe import geometry_of
    from skyrack.orchestrator.report.coverage_plot import coverage_svg
    from skyrack.orchestrator.scenario import load_scenario
    from skyrack.orchestrator.topology.coverage import Ground
    from skyrack.orchestrator.topology.coverage import coverage as compute

    span_s, step_s = parse_span_s(span), parse_span_s(step)
    if step_s <= 0:
        raise Problem("--step must be longer than 0", status=USAGE)
    if not 1.0 <= grid_deg <= 90.0:
        raise Problem(f"--grid {grid_deg:g}: expected 1 to 90 degrees", status=USAGE)
    if plot is not None and plot.suffix.lower() != ".svg":
        raise Problem(
            f"--plot {plot}: only SVG can be drawn", hint=f"--plot {plot.with_suffix('.svg')}", status=USAGE
        )
    if span_s / step_s > MOST_INSTANTS:
        raise Problem(
            f"{span_s / step_s:,.0f} instants, {MOST_INSTANTS:,} at most",
            hint="a longer --step",
            status=USAGE,
        )
    instants_s = [i * step_s for i in range(max(1, math.ceil(span_s / step_s - 1e-9)))]
    geometry = geometry_of(load_scenario(chosen(source)))
    found = compute(
        lambda t_s: geometry.satellites_itrf_km(t_s)[geometry.in_service(t_s)],
        instants_s,
        step_s,
        Ground.grid(grid_deg),
        geometry.ground_limits,
        _progress(len(instants_s)),
    )
    links = geometry.scenario.links
    rule = (
        f"above {links.elevation_mask_deg:g} degrees"
        if links.ground_range_km is None
        else f"within {links.ground_range_km:g} km"
    )
    if output is PathFormat.JSON:
        print_json(
            {
                "name": geometry.scenario.name,
                "start": geometry.start.isoformat(),
                "span_s": span_s,
                "step_s": step_s,
                "grid_deg": grid_deg,
                "elevation_mask_deg": links.elevation_mask_deg,
                "ground_range_km": links.ground_range_km,
                **asdict(found),
            }
        )
    elif output is PathFormat.CSV:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(asdict(found.rows[0]))
        for row in found.rows:
            writer.writerow("" if value is None else value for value in asdict(row).values())
    else:
        cells = [
            [
                f"{row.lat_deg:+.1f}",
                f"{100 * row.seen_ratio:.2f}",
                str(row.in_view_min),
                f"{row.in_view_mean:.2f}",
                str(row.in_view_max),
                str(row.outages),
                *(
                    "-" if s is None else f"{s:g}"
                    for s in (row.outage_p50_s, row.outage_p99_s, row.outage_max_s)
                ),
            ]
            for row in reversed(found.rows)
        ]
        headers = ["LAT_DEG", "SEEN_%", "MIN", "MEAN", "MAX", "OUTAGES", "P50_S", "P99_S", "MAX_S"]
        print_table(headers, cells)
        print(
            f"{geometry.scenario.name}, {rule}: {100 * found.seen_ratio:.2f} % of the ground seen on average, "
            f"{100 * found.seen_min_ratio:.2f} % at the worst of {len(instants_s):,} instants"
        )
    if plot is not None:
        title = f"{geometry.scenario.name}, {rule}, {span_s:g} s in steps of {step_s:g} s"
        try:
            write_whole(plot, coverage_svg(found, title))
        except OSError as error:
            raise Problem(f"cannot write {plot}: {error.strerror or error}") from error
        note(f"drawn: {plot}")


def _progress(count: int) -> Callable[[int], None]:
    """Tells a terminal how far it is; files and pipes get nothing."""

    def tell(done: int) -> None:
        if sys.stderr.isatty() and (done % _TOLD_EVERY == 0 or done == count):
            print(
                f"\r{done:,} of {count:,} instants",
                end="\n" if done == count else "",
                file=sys.stderr,
                flush=True,
            )

    return tell
