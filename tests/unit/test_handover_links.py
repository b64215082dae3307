"""Links that change hands: who is lit, who is routed, and what becomes of the packets that are under way."""

from __future__ import annotations

import itertools
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyrack.orchestrator.cli.path_link import link_lines
from skyrack.orchestrator.routing.computed import Computed, computed_rtt
from skyrack.orchestrator.routing.force_log import ForceLog
from skyrack.orchestrator.routing.link_model import LinkModel
from skyrack.orchestrator.routing.paths import path_of
from skyrack.orchestrator.routing.plan import plan_records
from skyrack.orchestrator.scenario import Scenario
from skyrack.orchestrator.topology.epoch import GROUND, Epoch
from skyrack.orchestrator.topology.explain import explain_link, link_record
from skyrack.orchestrator.topology.geometry import Geometry

SHELL = {"planes": 24, "slots": 22, "altitude_km": 1000, "inclination_deg": 53, "phasing": 5}
PARIS = {"name": "paris", "lat_deg": 48.86, "lon_deg": 2.35}
BOTH = ("make-before-break", "break-before-make")
GAP_S, OVERLAP_S = 0.215, 0.5
STEP_S = 0.002
# No laser reaches so far: what a satellite gets it must send down.
BENT_PIPE = {"laser_range_km": 1.0, "selection": "longest-remaining"}


@cache
def _sky(shells: str = "grid", far: str = "new-york", strategy: str = "ephemeris", **links: Any) -> Geometry:
    shell = {**SHELL, "slots": 40, "planes": 40} if shells == "dense" else SHELL
    keys = {
        "version": 1,
        "name": "test",
        "shells": [shell],
        "links": {"antennas": 1, **links},
        "ground": ["london", PARIS if far == "paris" else far],
        "inhabited": {"count": 2},
        "routing": {"strategy": strategy},
    }
    return Geometry(Scenario.model_validate(keys))


def _ground(epoch: Epoch, *, routed: bool | None = None) -> set[tuple[int, int]]:
    """(satellite, station) of ground links that are lit, of those that are routed, or of those that are not."""
    wanted = epoch.kind == GROUND
    if routed is not None:
        wanted &= (np.ones(len(epoch.a), np.bool_) if epoch.routed is None else epoch.routed) == routed
    return set(zip(epoch.a[wanted].tolist(), epoch.b[wanted].tolist(), strict=True))


def _log(geometry: Geometry, first_s: float, last_s: float) -> ForceLog:
    log, t_s = ForceLog(), first_s
    while t_s < last_s:
        epoch = geometry.epoch(t_s)
        log.record(max(epoch.t0_s, 0.0), epoch)
        t_s = epoch.t1_s
    return log


def _around(geometry: Geometry, number: int, a: int, b: int) -> tuple[np.ndarray[Any, Any], list[Computed]]:
    """Probes around a boundary of the grid, a pair every STEP_S, and what becomes of them."""
    boundary_s = geometry.grid_clock.boundary_s(number)
    sent_s = np.arange(boundary_s - 0.4, boundary_s + 1.2, STEP_S)
    log = _log(geometry, float(sent_s[0]), float(sent_s[-1]) + 1.0)
    return sent_s, computed_rtt(geometry, log, LinkModel.of(geometry.scenario), a, b, sent_s, 64)


def _joined(geometry: Geometry, first_s: float, last_s: float, a: int, b: int) -> bool:
    """Whether ways in force join two nodes, both ways, all the time."""
    t_s = first_s
    while t_s < last_s:
        epoch = geometry.epoch(t_s)
        if path_of(epoch, a, b) is None or path_of(epoch, b, a) is None:
            return False
        t_s = epoch.t1_s
    return True


@settings(deadline=None, max_examples=25)
@given(t_s=st.floats(0, 3000), earlier_s=st.floats(0, 3000), mode=st.sampled_from(BOTH))
def test_links_in_force_depend_on_the_instant_alone(t_s: float, earlier_s: float, mode: str) -> None:
    wandering = _sky(handover=mode, laser_range_km=3000.0, laser_leave_s=1.5)
    wandering.epoch(earlier_s)
    epoch, fresh = wandering.epoch(t_s), Geometry(wandering.scenario).epoch(t_s)
    assert epoch.t0_s <= t_s < epoch.t1_s
    for name in Epoch.__slots__:
        assert np.array_equal(getattr(epoch, name), getattr(fresh, name)), name


@settings(deadline=None, max_examples=60)
@given(
    number=st.integers(1, 400),
    after_ms=st.integers(-500, 1500),
    mode=st.sampled_from(BOTH),
    antennas=st.integers(1, 3),
)
def test_no_more_links_are_routed_than_there_are_antennas_and_the_rest_is_what_the_epoch_before_had(
    number: int, after_ms: int, mode: str, antennas: int
) -> None:
    after_s = after_ms / 1e3 + 0.0003  # no instant at which something changes
    geometry = _sky(handover=mode, antennas=antennas)
    t_s = geometry.grid_clock.boundary_s(number) + after_s
    epoch = geometry.epoch(t_s)
    lit, routed = _ground(epoch), _ground(epoch, routed=True)
    for station in range(geometry.n_sat, geometry.n_nodes):
        assert sum(b == station for _, b in routed) <= antennas
        assert sum(b == station for _, b in lit) <= 2 * antennas
    if mode == "break-before-make" or not 0.0 <= after_s < OVERLAP_S:
        assert lit == routed
    boundary_s = geometry.grid_clock.boundary_s(number if after_s >= 0.0 else number - 1)
    before, settled = _ground(geometry.epoch(boundary_s - 0.01)), _ground(geometry.epoch(boundary_s + 10.0))
    if mode == "make-before-break":
        assert routed == settled, "the new ones carry from the boundary on"
        assert lit - routed == (before - settled if 0.0 <= after_s < OVERLAP_S else set())
    else:
        in_gap = 0.0 <= after_s < GAP_S
        assert lit == (before & settled if in_gap else settled)
        assert epoch.in_gap == (in_gap and bool(settled - before))


@settings(deadline=None, max_examples=40)
@given(
    number=st.integers(1, 200),
    antennas=st.integers(1, 3),
    shells=st.sampled_from(["grid", "dense"]),
    strategy=st.sampled_from(["ephemeris", "load-aware", "static"]),
)
def test_make_before_break_loses_no_packet_at_a_boundary(
    number: int, antennas: int, shells: str, strategy: str
) -> None:
    geometry = _sky(shells, strategy=strategy, antennas=antennas)
    a, b = geometry.n_sat, geometry.n_sat + 1
    sent_s, found = _around(geometry, number, a, b)
    if not _joined(geometry, float(sent_s[0]), float(sent_s[-1]) + 1.0, a, b):
        return
    lost = [(t_s, one.reason) for t_s, one in zip(sent_s.tolist(), found, strict=True) if one.rtt_s is None]
    assert lost == []


@settings(deadline=None, max_examples=25)
@given(number=st.integers(1, 300), antennas=st.integers(2, 3))
def test_a_bent_pipe_loses_no_packet_either_while_ways_join_its_ends(number: int, antennas: int) -> None:
    """The old satellite has no other way for what it gets: only the link that nobody uses any more."""
    geometry = _sky("dense", "paris", antennas=antennas, **BENT_PIPE)
    a, b = geometry.n_sat, geometry.n_sat + 1
    sent_s, found = _around(geometry, number, a, b)
    if not _joined(geometry, float(sent_s[0]), float(sent_s[-1]) + 1.0, a, b):
        return
    assert [one.reason for one in found if one.rtt_s is None] == []


def _bent_pipe_handover(geometry: Geometry) -> int:
    """The first boundary at which the way between the stations leaves a satellite that keeps no link to the far one."""
    a, b = geometry.n_sat, geometry.n_sat + 1
    for number in range(1, 400):
        boundary_s = geometry.grid_clock.boundary_s(number)
        before, after = (path_of(geometry.epoch(boundary_s + by_s), a, b) for by_s in (-0.01, 0.01))
        left = _ground(geometry.epoch(boundary_s + 0.01), routed=True)
        if before is not None and after is not None and (before[1], b) not in left:
            return number
    raise AssertionError("no handover")


def test_without_an_overlap_what_is_under_way_through_a_bent_pipe_is_lost() -> None:
    """What the test above would not notice if links were never taken away."""
    lossless, abrupt = (
        _sky("dense", "paris", antennas=2, handover_overlap_s=overlap_s, **BENT_PIPE)
        for overlap_s in (OVERLAP_S, 0.0)
    )
    number = _bent_pipe_handover(lossless)
    a, b = lossless.n_sat, lossless.n_sat + 1
    _, kept = _around(lossless, number, a, b)
    assert all(one.rtt_s is not None for one in kept)
    sent_s, found = _around(abrupt, number, a, b)
    lost_s = [float(t_s) for t_s, one in zip(sent_s, found, strict=True) if one.rtt_s is None]
    boundary_s = abrupt.grid_clock.boundary_s(number)
    assert lost_s
    assert boundary_s - 0.05 < min(lost_s) < max(lost_s) < boundary_s


def test_break_before_make_loses_what_is_sent_into_the_gap_and_what_is_under_way_to_it() -> None:
    geometry = _sky(handover="break-before-make")
    a, b = geometry.n_sat, geometry.n_sat + 1
    gaps = 0
    for number in range(1, 12):
        boundary_s = geometry.grid_clock.boundary_s(number)
        if not _ground(geometry.epoch(boundary_s - 0.01)) - _ground(geometry.epoch(boundary_s + 1.0)):
            continue
        gaps += 1
        sent_s, found = _around(geometry, number, a, b)
        for t_s, one in zip((sent_s - boundary_s).tolist(), found, strict=True):
            if 0.0 <= t_s < GAP_S - 0.1:
                assert one.rtt_s is None, f"the station had no link {t_s:.3f} s after the boundary"
            elif t_s < -0.3 or t_s > GAP_S:
                assert one.rtt_s is not None
    assert gaps > 3


def test_a_gap_that_is_longer_than_a_part_ends_where_it_says() -> None:
    geometry = _sky("dense", handover="break-before-make", handover_gap_s=2.5, laser_range_km=1200.0)
    t0_s = geometry.grid_clock.boundary_s(1)
    epoch, t_s = geometry.epoch(t0_s), t0_s
    while epoch.in_gap:
        t_s, epoch = epoch.t1_s, geometry.epoch(epoch.t1_s)
    assert t_s == pytest.approx(t0_s + 2.5, abs=1e-3)


def test_stations_with_links_to_all_in_sight_change_at_the_boundary_unless_they_are_told_how() -> None:
    plain, told = _sky(antennas=None), _sky(antennas=None, handover="make-before-break")
    for number in range(1, 10):
        t0_s, t1_s = (plain.grid_clock.boundary_s(n) for n in (number, number + 1))
        epoch = plain.epoch(t0_s)
        assert (epoch.t0_s, epoch.t1_s, epoch.routed) == (t0_s, t1_s, None)
        left = _ground(plain.epoch(t0_s - 0.01)) - _ground(epoch)
        assert _ground(told.epoch(t0_s), routed=False) == left


def test_routes_leave_a_laser_before_it_goes_dark_and_not_when_it_stays() -> None:
    geometry = _sky(pattern="nearest", laser_range_km=2500.0, laser_leave_s=2.5)
    t_s, closings = 0.0, 0
    while t_s < 90.0:
        epoch = geometry.epoch(t_s)
        t_s = epoch.t1_s
        if epoch.routed is None:
            continue
        for link in np.nonzero(~epoch.routed & (epoch.kind != GROUND))[0].tolist():
            a, b = int(epoch.a[link]), int(epoch.b[link])
            after_s = np.arange(epoch.t0_s, epoch.t0_s + 2.6, 0.05)
            up = [geometry.epoch(float(at_s)).link_of(a, b) is not None for at_s in after_s]
            assert not all(up), "it goes dark within laser_leave_s"
            assert (a, b) not in {
                (min(x, y), max(x, y))
                for source in geometry.inhabited.tolist()
                for end in geometry.inhabited.tolist()
                for x, y in _hops(path_of(epoch, source, end))
            }
            closings += 1
    assert closings > 10


def _hops(path: list[int] | None) -> list[tuple[int, int]]:
    return [] if path is None else list(itertools.pairwise(path))


def test_a_way_to_a_bare_satellite_that_was_fixed_beforehand_is_lost_on_a_link_that_is_dark_by_then() -> None:
    """Nobody chooses a new way for what is for a bare satellite: the fabric drops it there, and so it is computed."""
    geometry = _sky(pattern="nearest", laser_range_km=2500.0)
    source, reasons, checked = geometry.n_sat, set(), 0
    for t_s in np.arange(1.0, 60.0, 1.0) - geometry.grid_clock.phase_s % 1.0:
        before, after = geometry.epoch(t_s - 0.001), geometry.epoch(t_s + 0.001)
        if before is after:
            continue
        log = _log(geometry, t_s - 1.0, t_s + 1.0)
        for bare in range(0, geometry.n_sat, 5):
            path = path_of(before, source, bare) if bare not in geometry.inhabited else None
            if path is None or len(path) < 3 or all(after.link_of(*hop) is not None for hop in _hops(path)):
                continue
            checked += 1
            (found,) = computed_rtt(
                geometry, log, LinkModel.of(geometry.scenario), source, bare, [t_s - 1e-6], 64
            )
            if after.link_of(path[0], path[1]) is not None:
                assert found.rtt_s is None
            reasons.add(found.reason)
    assert checked
    assert any(reason is not None and reason.endswith("is dark") for reason in reasons)


def test_an_explanation_says_why_a_link_is_lit_and_unused_or_not_lit_yet() -> None:
    made, broken = _sky(), _sky(handover="break-before-make")
    number = next(
        n for n in range(1, 20) if _ground(made.epoch(made.grid_clock.boundary_s(n) + 0.1), routed=False)
    )
    t_s = made.grid_clock.boundary_s(number) + 0.1
    (old, station), *_ = sorted(_ground(made.epoch(t_s), routed=False))
    state = explain_link(made, old, station, t_s)
    assert state.up
    assert [reason.code for reason in state.reasons] == ["handed_over"]
    assert state.until_s == pytest.approx(t_s - 0.1 + OVERLAP_S)
    new = next(sat for sat, at in _ground(made.epoch(t_s), routed=True) if at == station)
    assert explain_link(made, new, station, t_s).reasons == ()
    waiting = explain_link(broken, new, station, t_s)
    assert not waiting.up
    assert [reason.code for reason in waiting.reasons] == ["handover_gap"]
    assert waiting.until_s == pytest.approx(t_s - 0.1 + GAP_S)


@pytest.mark.parametrize("mode", BOTH)
def test_the_plan_has_each_handover_once_when_the_new_link_carries(mode: str) -> None:
    geometry = _sky(handover=mode)
    by_s = 0.0 if mode == "make-before-break" else GAP_S
    records = [r for r in plan_records(geometry, 240.0) if r["record"] == "handover"]
    boundaries_s = [geometry.grid_clock.boundary_s(n) + by_s for n in range(1, 17)]
    assert len(records) > 4
    for record in records:
        assert record["from"] is not None
        assert record["to"] is not None
        assert min(abs(record["t_s"] - at_s) for at_s in boundaries_s) < 1e-5


def test_a_laser_that_routes_have_left_says_until_when_it_is_lit() -> None:
    geometry = _sky(pattern="nearest", laser_range_km=2500.0, laser_leave_s=2.5)
    t_s = 0.0
    while (epoch := geometry.epoch(t_s)).routed is None or epoch.routed[epoch.kind != GROUND].all():
        t_s = epoch.t1_s
    link = int(np.nonzero(~epoch.routed & (epoch.kind != GROUND))[0][0])
    state = explain_link(geometry, int(epoch.a[link]), int(epoch.b[link]), t_s)
    assert [reason.code for reason in state.reasons] == ["leaving"]
    assert state.until_s is not None
    assert t_s < state.until_s <= t_s + 2.5 + 1e-6
    assert f"dark at {state.until_s:g} s" in state.reasons[0].text
    lines = link_lines(link_record("x", "y", t_s, state))
    assert lines[0] == f"x-y is up at {t_s:.3f} s"
    assert lines[-1].startswith("  unused    routes have left it")


def _behind_a_gateway(overlap_s: float) -> Geometry:
    """A terminal, a gateway with fibre to a point of presence, and no laser to go round by."""
    shell = {**SHELL, "slots": 40, "planes": 40}
    keys = {
        "version": 1,
        "name": "test",
        "shells": [shell],
        "links": {"antennas": 6, "handover_overlap_s": overlap_s, "laser_range_km": 1.0},
        "ground": [PARIS],
        "users": [{"name": "home", "lat_deg": 51.5, "lon_deg": -0.1}],
        "pops": ["london"],
        "fibre": [{"a": "paris", "b": "pop-london"}],
        "inhabited": [],
    }
    return Geometry(Scenario.model_validate(keys))


def test_a_terminals_packets_get_through_a_gateway_that_has_left_their_satellite() -> None:
    """The gateway is nobody's end: it forwards, so what is still lit to it is a way like others for who has none."""
    kept, abrupt = _behind_a_gateway(OVERLAP_S), _behind_a_gateway(0.0)
    a, b = kept.index_of("home"), kept.index_of("pop-london")
    lost = {OVERLAP_S: 0, 0.0: 0}
    for number in range(1, 120):
        boundary_s = kept.grid_clock.boundary_s(number)
        ways = [path_of(kept.epoch(boundary_s + by_s), a, b) for by_s in (-0.01, 0.01)]
        if ways[0] == ways[1] or not _joined(kept, boundary_s - 0.4, boundary_s + 2.2, a, b):
            continue
        for overlap_s, geometry in ((OVERLAP_S, kept), (0.0, abrupt)):
            lost[overlap_s] += sum(one.rtt_s is None for one in _around(geometry, number, a, b)[1])
    assert lost[OVERLAP_S] == 0
    assert lost[0.0] > 0
