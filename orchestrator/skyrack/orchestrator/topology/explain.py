"""Why a link or a path is up or down: each limit of the geometry is asked, none is written down a second time. Pure.

pair   --> sight, range, pointing, acquisition, pattern | mask, epoch, weather, antennas --> reasons
path   --> what is in force, cut into parts --> the end that has nothing, or the best link missing between parts
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from skyrack.orchestrator.lifecycle.passage import Phase
from skyrack.orchestrator.topology.failures import NO_FAILURES, Failures
from skyrack.orchestrator.topology.geometry import Geometry

LOOK_S = 1800.0  # how far a link's state is followed, back and ahead
_RISE_WITHIN_S = 86_400.0
_RISE_STEP_S = 10.0


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a link is down: a word for programs, a sentence for people."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class LinkState:
    """A pair at an instant. `since_s` and `until_s` bound its state, None where that lies farther than LOOK_S away.

    `rate_bps`: a to b and b to a, while up. `margins`: how far it is within each limit, negative beyond it. `reasons`: why
    it is down, or why no route uses it though it is up.
    """

    up: bool
    delay_s: float
    rate_bps: tuple[float, float] | None
    since_s: float | None
    until_s: float | None
    margins: dict[str, float]
    reasons: tuple[Reason, ...]


def explain_link(
    geometry: Geometry, first: int, second: int, t_s: float, failures: Failures = NO_FAILURES
) -> LinkState:
    """The state of the pair at `t_s`. `failures`: what is out of service beside what the orbits say."""
    a, b = min(first, second), max(first, second)
    margins, limits = _limits(geometry, a, b, t_s)
    reasons = tuple(_not_there(geometry, a, b, t_s)) or limits
    planned, _, _ = geometry.in_force(a, b, t_s)
    lost = _lost(geometry, a, b, failures)
    up = planned and not lost
    rate_bps = _rates_bps(geometry, a, b, first, t_s) if up else None
    changes = a < geometry.n_sat  # fibre is always there
    since_s, until_s = _bounds(geometry, a, b, t_s, planned) if changes else (None, None)
    why = _unused(geometry, a, b, t_s, until_s) if up else (*lost, *(() if planned else reasons))
    delay_s = float(geometry.delay_s([a], [b], t_s)[0])
    return LinkState(up, delay_s, rate_bps, since_s, until_s, margins, why)


def link_record(first: str, second: str, t_s: float, state: LinkState) -> dict[str, Any]:
    """A link's state for JSON; `a` and `b` as they were asked for."""
    return {
        "a": first,
        "b": second,
        "t_s": t_s,
        "state": "up" if state.up else "down",
        "since_s": state.since_s,
        "until_s": state.until_s,
        "delay_ms": state.delay_s * 1e3,
        "rate_bps": list(state.rate_bps) if state.rate_bps is not None else None,
        "margins": state.margins,
        "why": [{"code": reason.code, "text": reason.text} for reason in state.reasons],
    }


def explain_no_path(
    geometry: Geometry, a: int, b: int, t_s: float, failures: Failures = NO_FAILURES
) -> list[Reason]:
    """Why nothing joins `a` and `b` at `t_s`, the likeliest first; empty when something does."""
    label = _parts(geometry, t_s, failures)
    alone = [end for end in dict.fromkeys((a, b)) if not label[end]]
    if alone:
        return [reason for end in alone for reason in _cut_off(geometry, end, t_s, failures)]
    if label[a] & label[b]:
        return []
    names, near = geometry.names, _nearest_between(geometry, label[a], label[b], label, t_s)
    found = [Reason("partition", f"{names[a]} and {names[b]} are in parts of the mesh that nothing joins")]
    if near is not None:
        found += _named(geometry, *near, explain_link(geometry, *near, t_s, failures).reasons)
    return found


def _not_there(geometry: Geometry, a: int, b: int, t_s: float) -> Iterator[Reason]:
    """Of ends that are not in service."""
    there = geometry.in_service(t_s)
    for end in (a, b):
        if end < geometry.n_sat and not there[end]:
            phase, batch = geometry.fleet.phases(t_s)[end], geometry.fleet.nodes[end]
            words = (
                "commissioning" if phase is Phase.IN_SERVICE else phase.value
            )  # until the next whole second
            yield Reason(
                "not_in_service", f"{geometry.names[end]} is not in service: {words} (launch {batch})"
            )


def _limits(geometry: Geometry, a: int, b: int, t_s: float) -> tuple[dict[str, float], tuple[Reason, ...]]:
    if a >= geometry.n_sat:
        return {}, (Reason("not_linked", "no fibre joins them, and there is no radio along the ground"),)
    if geometry.kind[b] == "pop":
        return {}, (Reason("not_linked", f"{geometry.names[b]} has no antenna, only fibre"),)
    return _ground(geometry, a, b, t_s) if b >= geometry.n_sat else _laser(geometry, a, b, t_s)


def _laser(geometry: Geometry, a: int, b: int, t_s: float) -> tuple[dict[str, float], tuple[Reason, ...]]:
    limits, states = geometry.laser_limits, geometry.states_at(t_s)
    pair = np.array([a], dtype=np.int32), np.array([b], dtype=np.int32)
    clearance, within = (float(m[0]) for m in limits.margins_km(states.r_km[pair[0]], states.r_km[pair[1]]))
    margins, found = {"line_of_sight_km": clearance}, list(_pattern(geometry, a, b, t_s))
    if not clearance >= 0.0:
        lowest = clearance + limits.graze_altitude_km
        where = f"{lowest:.0f} km above the Earth" if lowest >= 0.0 else "through the Earth"
        found.append(
            Reason(
                "line_of_sight",
                f"the line of sight passes {where}, graze_altitude_km is {limits.graze_altitude_km:g}",
            )
        )
    if math.isfinite(within):
        margins["range_km"] = within
        if within < 0.0:
            found.append(Reason("range", f"{-within:.0f} km beyond laser_range_km {limits.range_km:g}"))
    if limits.pointing_rad_s is not None:
        spare = math.degrees(float(limits.pointing_margin_rad_s(states, *pair)[0][0]))
        if math.isfinite(spare):
            margins["pointing_deg_s"] = spare
        if spare < 0.0:
            most = math.degrees(limits.pointing_rad_s)
            turning = f"it would turn {most - spare:.3f} deg/s, pointing_rate_max_deg_s is {most:g}"
            found.append(Reason("pointing_rate", turning))
    begun = geometry.window(t_s).acquisitions
    mine = (begun.pairs == (a, b)).all(axis=1) & (begun.start_s <= t_s) & (t_s < begun.ready_s)
    if mine.any():
        ready_s = float(begun.ready_s[mine].max())
        found.append(Reason("acquiring", f"acquiring until {ready_s:g} s"))
    if not found:
        found.append(Reason("within_second", "in sight at this instant, but not over the whole second"))
    return margins, tuple(found)


def _pattern(geometry: Geometry, a: int, b: int, t_s: float) -> Iterator[Reason]:
    """Why the pattern does not point the two at each other, if it does not."""
    pairs, names = geometry.window(t_s).pairs, geometry.names
    if ((pairs[:, 0] == a) & (pairs[:, 1] == b)).any():
        return
    links, sky = geometry.scenario.links, geometry.constellation
    if sky.shell[a] == sky.shell[b] and 0 <= sky.shell[a] < len(sky.layouts):
        grid = sky.layouts[int(sky.shell[a])]
        ends = {int(sky.plane[a]), int(sky.plane[b])}
        if not grid.seam and len(grid.satellite) > 2 and ends == {0, len(grid.satellite) - 1}:
            yield Reason(
                "seam", f"planes {min(ends)} and {max(ends)} fly against each other: a seam has no lasers"
            )
            return
    for end in (a, b):
        if links.pattern == "nearest" and int((pairs == end).any(axis=1).sum()) >= links.lasers_per_satellite:
            yield Reason(
                "no_terminal", f"all {links.lasers_per_satellite} terminals of {names[end]} point at others"
            )
            return
    yield Reason("not_neighbours", f"{links.pattern} does not point them at each other")


def _ground(geometry: Geometry, a: int, b: int, t_s: float) -> tuple[dict[str, float], tuple[Reason, ...]]:
    names, station = geometry.names, b - geometry.n_sat
    limits, here, there = geometry.limits_of(station), np.array([station], np.int32), np.array([a], np.int32)
    mask_deg = float(geometry.stations.mask_deg[station])
    elevation_deg = float(geometry.elevation_deg(here, there, t_s)[0])
    margins = {"elevation_deg": elevation_deg - (mask_deg if limits.range_km is None else 0.0)}
    if limits.range_km is not None:
        ends_km = geometry.positions_km(t_s)[[a, b]]
        margins["range_km"] = limits.range_km - float(np.linalg.norm(ends_km[0] - ends_km[1]))
    if min(margins.values()) < 0.0:
        rises_s = next_rise_s(geometry, station, a, t_s)
        then = f"rises at {rises_s:.0f} s" if rises_s is not None else "does not rise within a day"
        below = f"{elevation_deg:.1f} deg above the horizon of {names[b]}"
        if elevation_deg < 0.0:
            below = f"{-elevation_deg:.1f} deg below the horizon of {names[b]}"
        if margins["elevation_deg"] >= 0.0:
            return margins, (
                Reason(
                    "range",
                    f"{-margins['range_km']:.0f} km beyond ground_range_km {limits.range_km:g}; {then}",
                ),
            )
        mask = f", the mask is {mask_deg:g}" if limits.range_km is None else ""
        return margins, (Reason("below_mask", f"{names[a]} is {below}{mask}; {then}"),)
    window, piece = geometry.window(t_s), geometry.piece(t_s)
    waits = (window.station == station) & (window.satellite == a) & piece.waiting
    if waits.any():
        carries_s = window.bounds_s[0] + geometry.scenario.links.handover_gap_s
        return margins, (
            Reason(
                "handover_gap", f"{names[b]} has turned to {names[a]}: it carries from {carries_s:g} s on"
            ),
        )
    number = geometry.grid_clock.number_at(t_s)
    stations, satellites = geometry.visible_throughout(number)
    if not ((stations == station) & (satellites == a)).any():
        until_s = geometry.grid_clock.boundary_s(number + 1)
        whole = f"in sight, but not over the whole epoch, which ends at {until_s:g} s"
        return margins, (Reason("not_whole_epoch", whole),)
    t0_s = geometry.grid_clock.boundary_s(number)
    if not geometry.weather.clear:
        air = geometry.weather.links(t0_s, here, geometry.elevation_deg(here, there, t0_s))
        if air.share.min() <= 0.0:
            return margins, (Reason("weather", f"rain or clouds over {names[b]} leave nothing of the rate"),)
    busy = int((geometry.window(t_s).station == station).sum())
    those = "the antenna" if busy == 1 else f"the {busy} antennas"
    point = "points at another" if busy == 1 else "point at others"
    return margins, (Reason("no_antenna", f"{those} of {names[b]} {point}"),)


def _unused(geometry: Geometry, a: int, b: int, t_s: float, until_s: float | None) -> tuple[Reason, ...]:
    """Why no route uses a link that is up until `until_s`, if none does."""
    names, piece, window = geometry.names, geometry.piece(t_s), geometry.window(t_s)
    if until_s is None:
        return ()  # handovers take less than LOOK_S
    if b >= geometry.n_sat and piece.is_old(b - geometry.n_sat, a):
        left = f"{names[b]} has left {names[a]}: until {until_s:g} s it carries what is under way"
        return (Reason("handed_over", left),)
    if ((window.pairs[:, 0] == a) & (window.pairs[:, 1] == b) & piece.leaving).any():
        closes = (
            f"routes have left it: it goes dark at {until_s:g} s as planned and carries what is under way"
        )
        return (Reason("leaving", closes),)
    return ()


def next_rise_s(geometry: Geometry, station: int, satellite: int, t_s: float) -> float | None:
    """When a satellite that is not in sight comes in sight of a station, to 10 s; None: not within a day."""
    limits, node = geometry.limits_of(station), geometry.n_sat + station
    times_s = t_s + np.arange(_RISE_STEP_S, _RISE_WITHIN_S, _RISE_STEP_S)
    up = geometry.stations.up_itrf[[station]]
    place_km = geometry.itrf(node, t_s)[0][np.newaxis]
    _, seen = limits.visible(place_km, up, geometry.itrf(satellite, times_s)[0])
    return float(times_s[seen[0]]) if len(seen) else None


def _lost(geometry: Geometry, a: int, b: int, failures: Failures) -> tuple[Reason, ...]:
    dark = [Reason("dark", f"{geometry.names[end]} is dark") for end in (a, b) if end in failures.nodes]
    if (a, b) in failures.links:
        dark.append(Reason("failed", f"a fault keeps {geometry.names[a]}-{geometry.names[b]} down"))
    return tuple(dark)


def _rates_bps(geometry: Geometry, a: int, b: int, first: int, t_s: float) -> tuple[float, float]:
    """From `first` to the other end, and back."""
    links, epoch = geometry.scenario.links, geometry.epoch(t_s)
    rate_bps = links.ground_rate_bps if b >= geometry.n_sat else links.laser_rate_bps
    there, back = rate_bps * epoch.share_of(a, b), rate_bps * epoch.share_of(b, a)
    return (there, back) if first == a else (back, there)


def _bounds(geometry: Geometry, a: int, b: int, t_s: float, up: bool) -> tuple[float | None, float | None]:
    """Since when and until when the pair is as it is at `t_s`, by the plan."""
    _, since_s, until_s = geometry.in_force(a, b, t_s)
    while since_s > t_s - LOOK_S:
        same, earlier_s, _ = geometry.in_force(a, b, since_s - 1e-3)
        if same != up:
            break
        since_s = earlier_s
    while until_s < t_s + LOOK_S:
        same, _, later_s = geometry.in_force(a, b, until_s + 1e-3)
        if same != up:
            break
        until_s = later_s
    return (since_s if since_s > t_s - LOOK_S else None), (until_s if until_s < t_s + LOOK_S else None)


def _parts(geometry: Geometry, t_s: float, failures: Failures) -> list[frozenset[int]]:
    """Of each node the parts of the mesh it has links to: one for who forwards, those of its neighbours for the others."""
    a, b, _ = geometry.links_at(t_s)
    spared = failures.spare(a, b)
    a, b = a[spared], b[spared]
    through, n = geometry.through, geometry.n_nodes
    inner = through[a] & through[b]
    graph = coo_array((np.ones(int(inner.sum()), np.int8), (a[inner], b[inner])), shape=(n, n))
    _, part = connected_components(graph, directed=False)
    found: list[set[int]] = [set() for _ in range(n)]
    for end, other in ((a, b), (b, a)):
        for node, far in zip(end.tolist(), other.tolist(), strict=True):
            if through[node]:
                found[node].add(int(part[node]))
            elif through[far]:
                found[node].add(int(part[far]))
    return [frozenset(parts) for parts in found]


def _cut_off(geometry: Geometry, end: int, t_s: float, failures: Failures) -> Iterator[Reason]:
    """Why a node has no link at all."""
    name, n = geometry.names[end], geometry.n_sat
    if end in failures.nodes:
        yield Reason("dark", f"{name} is dark")
        return
    if geometry.kind[end] == "pop":
        yield Reason("no_link", f"{name} has no antenna, and no fibre of it leads anywhere now")
        return
    if end >= n:
        everyone = np.arange(n, dtype=np.int32)
        elevation_deg = geometry.elevation_deg(np.full(n, end - n, dtype=np.int32), everyone, t_s)
        yield Reason("no_link", f"{name} has no ground link; the highest satellite is the best candidate")
        best = int(np.nanargmax(elevation_deg))
        yield from _named(geometry, best, end, explain_link(geometry, best, end, t_s, failures).reasons)
        return
    pairs = geometry.window(t_s).pairs
    mine = pairs[(pairs == end).any(axis=1)].tolist()
    yield Reason(
        "no_link", f"{name} has no laser and no ground link" + ("" if mine else "; no laser points at it")
    )
    for a, b in mine:
        yield from _named(geometry, a, b, explain_link(geometry, a, b, t_s, failures).reasons)


def _nearest_between(
    geometry: Geometry, here: frozenset[int], there: frozenset[int], label: list[frozenset[int]], t_s: float
) -> tuple[int, int] | None:
    """The shortest pair that the pattern points at each other, one end in each part."""
    pairs = geometry.window(t_s).pairs
    inside: list[NDArray[np.bool_]] = [
        np.array([bool(parts & of) for parts in label[: geometry.n_sat]]) for of in (here, there)
    ]
    a, b = pairs[:, 0], pairs[:, 1]
    bridging = np.nonzero((inside[0][a] & inside[1][b]) | (inside[1][a] & inside[0][b]))[0]
    if not len(bridging):
        return None
    length_s = geometry.delay_s(a[bridging], b[bridging], t_s)
    best = bridging[int(np.argmin(length_s))]
    return int(a[best]), int(b[best])


def _named(geometry: Geometry, a: int, b: int, reasons: tuple[Reason, ...]) -> list[Reason]:
    ends = f"{geometry.names[a]}-{geometry.names[b]}"
    return [Reason(reason.code, f"{ends}: {reason.text}") for reason in reasons]
