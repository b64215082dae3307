"""`skyrack environment`: what surrounds satellites, and what comes next.

Without a run it computes; with --run it asks a run, whose storms it knows of.
"""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from skyrack.orchestrator.cli.console import Format, Output, note, print_json, print_table
from skyrack.orchestrator.cli.exits import USAGE, Problem
from skyrack.orchestrator.cli.scenario import chosen
from skyrack.orchestrator.cli.times import parse_instant_s

HEADERS = [
    "NODE",
    "SUN",
    "ECLIPSE",
    "BETA_DEG",
    "ANOMALY",
    "GATEWAY",
    "LAT_DEG",
    "LON_DEG",
    "COUNTRY",
    "STORM",
]


def environment(
    node: Annotated[
        list[str] | None,
        typer.Argument(help="Satellites. Default: all that have a process.", show_default=False),
    ] = None,
    scenario: Annotated[
        str | None,
        typer.Option("--scenario", "-s", help="A file or a preset. Default: as for up.", show_default=False),
    ] = None,
    at: Annotated[str, typer.Option(help="The instant: seconds from the start, or a UTC time.")] = "0",
    run: Annotated[str | None, typer.Option("--run", help="Ask this run, now.", show_default=False)] = None,
    output: Output = Format.TABLE,
) -> None:
    """Show what surrounds satellites: Sun and eclipse, South Atlantic Anomaly, gateways, the country below, storms."""
    names = list(dict.fromkeys(node or ()))
    if run is not None:
        if at != "0" or scenario is not None:
            raise Problem("--at and --scenario do not go with --run, which is asked about now", status=USAGE)
        found = _live(run, names)
    else:
        found = _computed(chosen(scenario), names, at)
    if output is Format.JSON:
        print_json(found)
        return
    print_table(HEADERS, [_row(one, found["t_s"]) for one in found["nodes"]])
    note(
        f"at {found['time']}, orbit time {found['t_s']:.0f} s; minutes:seconds until it begins or, where it is on, ends; "
        f"- is not within {found['ahead_s'] / 3600:g} h"
    )


def _live(run: str, names: list[str]) -> dict[str, Any]:
    from skyrack.orchestrator.cli.find import find_run

    live = find_run(run)
    found: dict[str, Any] = live.ask(
        "GET", "/v1/environment?" + urlencode([("node", name) for name in names])
    )
    return found


def _computed(source: str, names: list[str], at: str) -> dict[str, Any]:
    from skyrack.orchestrator.cli.describe import geometry_of
    from skyrack.orchestrator.cli.find import require_name
    from skyrack.orchestrator.environment.passes import Passes
    from skyrack.orchestrator.environment.prospect import answer, prospect
    from skyrack.orchestrator.environment.truth import truth_at
    from skyrack.orchestrator.scenario import load_scenario

    geometry = geometry_of(load_scenario(source))
    for name in names:
        require_name(name, list(geometry.names))
        if geometry.index_of(name) >= geometry.n_sat:
            raise Problem(f"{name} is on the ground: only satellites have an environment", status=USAGE)
    nodes = [geometry.index_of(name) for name in names]
    nodes = nodes or geometry.inhabited[geometry.inhabited < geometry.n_sat].tolist()
    t_s = parse_instant_s("--at", at, geometry.start)
    truth, passes = truth_at(geometry, t_s), Passes(geometry)
    return answer(geometry, t_s, [prospect(geometry, passes, one, truth) for one in nodes])


def _row(one: dict[str, Any], t_s: float) -> list[str]:
    return [
        one["node"],
        "lit" if one["lit"] else "dark",
        _when(one["eclipse"], not one["lit"], t_s),
        f"{one['beta_deg']:.1f}",
        _when(one["anomaly_pass"], one["in_anomaly"], t_s),
        _gateway(one["gateway_pass"], t_s),
        f"{one['lat_deg']:.2f}",
        f"{one['lon_deg']:.2f}",
        one["country"] or "-",
        f"x{one['storm_factor']:g}" if one["storm_factor"] != 1.0 else "-",
    ]


def _gateway(sight: dict[str, Any] | None, t_s: float) -> str:
    if sight is None:
        return "-"
    return f"{sight['station']} {_when(sight, sight['start_t_s'] <= t_s, t_s)}"


def _when(stay: dict[str, Any] | None, inside: bool, t_s: float) -> str:
    """How long until a stay begins, or until it is over."""
    if stay is None:
        return "-"
    word, at_s = ("on for", stay["end_t_s"]) if inside else ("in", stay["start_t_s"])
    minutes, seconds = divmod(round(at_s - t_s), 60)
    return f"{word} {minutes}:{seconds:02d}"
