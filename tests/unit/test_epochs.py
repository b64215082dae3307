"""Epochs: aligned to UTC, a function of the instant alone, and usable from the first second to the last."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyrack.orchestrator.scenario import Scenario, load_scenario
from skyrack.orchestrator.topology.epoch import GROUND, LASER, Epoch
from skyrack.orchestrator.topology.failures import Failures
from skyrack.orchestrator.topology.geometry import Geometry
from skyrack.orchestrator.topology.grid_clock import GridClock

# Satellites that lose sight of each other: four planes of a low shell with few satellites each.
FLICKERING: dict[str, Any] = {
    "version": 1,
    "name": "flickering",
    "shells": [{"planes": 5, "slots": 9, "altitude_km": 500, "inclination_deg": 70, "phasing": 2}],
    "links": {"elevation_mask_deg": 5},
    "ground": ["london", "singapore", "reykjavik"],
}


@cache
def _flickering(pattern: str = "plus-grid", range_km: float | None = None, **more: float) -> Geometry:
    links = {**FLICKERING["links"], "pattern": pattern, "laser_range_km": range_km, **more}
    return Geometry(Scenario.model_validate({**FLICKERING, "links": links}))


def _same(a: Epoch, b: Epoch) -> bool:
    return all(np.array_equal(getattr(a, field), getattr(b, field)) for field in Epoch.__slots__)


def test_epochs_begin_at_seconds_12_27_42_57_of_the_minute() -> None:
    """Starlink's reconfiguration grid; a start in between falls into an epoch that has already begun."""
    clock = GridClock.aligned(datetime(2026, 1, 1, 12, 34, 20, tzinfo=UTC), 15.0, 12.0)
    assert [clock.boundary_s(number) for number in range(3)] == [-8.0, 7.0, 22.0]
    assert clock.number_at(0.0) == 0
    assert clock.number_at(7.0) == 1
    assert clock.number_at(-8.0) == 0
    assert clock.number_at(-8.000001) == -1


@given(
    microseconds=st.integers(0, 10**13),
    period_s=st.sampled_from([1.0, 7.0, 15.0, 60.0, 0.1 * 37]),
    offset_s=st.sampled_from([0.0, 12.0, 0.3]),
    t_s=st.floats(-1e5, 1e6),
)
def test_every_instant_lies_in_its_period(
    microseconds: int, period_s: float, offset_s: float, t_s: float
) -> None:
    start = datetime.fromtimestamp(1.7e9 + microseconds // 10**6, UTC).replace(
        microsecond=microseconds % 10**6
    )
    clock = GridClock.aligned(start, period_s, offset_s)
    number = clock.number_at(t_s)
    assert clock.boundary_s(number) <= t_s < clock.boundary_s(number + 1)
    assert clock.boundary_s(0) <= 0.0 < clock.boundary_s(1)


@settings(deadline=None, max_examples=25)
@given(t_s=st.floats(0, 20_000), before=st.lists(st.floats(0, 20_000), max_size=4))
def test_an_epoch_does_not_depend_on_what_was_asked_before(t_s: float, before: list[float]) -> None:
    """A restarted orchestrator must put the same links and routes in force."""
    wandering = _flickering()
    for earlier in before:
        wandering.epoch(earlier)
    fresh = Geometry(wandering.scenario)
    epoch = wandering.epoch(t_s)
    assert epoch.t0_s <= t_s < epoch.t1_s
    assert _same(epoch, fresh.epoch(t_s))
    assert _same(epoch, fresh.epoch(epoch.t0_s))


@settings(deadline=None, max_examples=60)
@given(
    t_s=st.floats(0, 20_000),
    part=st.floats(0, 1),
    kind=st.sampled_from(
        [("plus-grid", None), ("nearest", None), ("plus-grid", 4000.0), ("nearest", 3500.0)]
    ),
)
def test_every_link_is_usable_during_its_whole_epoch(
    t_s: float, part: float, kind: tuple[str, float | None]
) -> None:
    """Between two whole seconds a laser could dip by metres; 20 m is 1e-4 of the lasers' clearance at stake."""
    geometry = _flickering(*kind)
    epoch = geometry.epoch(t_s)
    now_s = epoch.t0_s + part * (epoch.t1_s - epoch.t0_s)
    at_km = geometry.positions_km(now_s)
    laser, ground = epoch.kind == LASER, epoch.kind == GROUND
    clearance_km, within_km = geometry.laser_limits.margins_km(at_km[epoch.a[laser]], at_km[epoch.b[laser]])
    assert (clearance_km > -0.02).all()
    assert (within_km > -0.02).all()
    _, _, kinds = geometry.links_at(now_s)
    a, b, _ = geometry.links_at(now_s)
    visible = set(zip(a[kinds == GROUND].tolist(), b[kinds == GROUND].tolist(), strict=True))
    assert set(zip(epoch.a[ground].tolist(), epoch.b[ground].tolist(), strict=True)) <= visible


def test_lasers_change_at_whole_seconds_within_the_grid() -> None:
    """Somewhere in an orbit the set of lit lasers changes between two boundaries of the grid."""
    geometry = _flickering()
    t_s, inside = 0.0, 0
    while t_s < 3000.0:
        epoch = geometry.epoch(t_s)
        start = geometry.grid_clock.boundary_s(geometry.grid_clock.number_at(t_s))
        assert (epoch.t0_s - start) == round(epoch.t0_s - start)
        if epoch.t0_s != start:
            inside += 1
            before = geometry.epoch(epoch.t0_s - 0.5)
            lasers = [
                set(zip(e.a[e.kind == LASER].tolist(), e.b[e.kind == LASER].tolist(), strict=True))
                for e in (before, epoch)
            ]
            assert lasers[0] != lasers[1], "a boundary without a change"
            assert (before.kind == GROUND).sum() == (epoch.kind == GROUND).sum(), (
                "ground links follow the grid"
            )
        t_s = epoch.t1_s
    assert inside > 0


@pytest.mark.parametrize("pointing", [{}, {"pointing_rate_max_deg_s": 0.12}], ids=["sight", "pointing"])
def test_looking_only_at_lasers_near_their_limit_misses_none(pointing: dict[str, float]) -> None:
    """The shortcut against looking at every laser in every second."""
    geometry = _flickering(acquisition_min_s=0, acquisition_max_s=0, **pointing)
    pairs = geometry.constellation.grid_pairs
    for t_s in range(5, 600, 10):
        epoch = geometry.epoch(t_s + 0.5)
        lit = np.ones(len(pairs), dtype=bool)
        for second in (t_s, t_s + 1):
            at_km = geometry.positions_km(second - geometry.grid_clock.phase_s % 1.0)
            lit &= geometry.laser_limits.lit(at_km[pairs[:, 0]], at_km[pairs[:, 1]])
        ours = epoch.kind == LASER
        assert set(zip(epoch.a[ours].tolist(), epoch.b[ours].tolist(), strict=True)) == set(
            map(tuple, pairs[lit].tolist())
        )


def test_long_epochs_hold_only_what_lasts() -> None:
    """Two hours: a satellite in sight at both ends has been away in between, and lasers still change by the second."""
    links = {**FLICKERING["links"], "epoch_s": 7200, "epoch_offset_s": 0}
    geometry = Geometry(Scenario.model_validate({**FLICKERING, "links": links}))
    first = geometry.epoch(0.0)
    assert not (first.kind == GROUND).any()
    short, t_s = _flickering(), 0.0
    while t_s < 600.0:
        long_epoch, short_epoch = geometry.epoch(t_s + 0.5), short.epoch(t_s + 0.5)
        assert (long_epoch.kind == LASER).sum() == (short_epoch.kind == LASER).sum()
        t_s += 60.0
    geostationary = {"kind": "geostationary", "longitudes_deg": [0]}
    keys = {**FLICKERING, "shells": [geostationary], "links": links}
    assert (Geometry(Scenario.model_validate(keys)).epoch(0.0).kind == GROUND).sum() == 2, (
        "London and Reykjavik"
    )


def test_links_are_sorted_lasers_first_and_satellites_first() -> None:
    epoch = Geometry(load_scenario("iridium")).epoch(0.0)
    assert (epoch.a < epoch.b).all()
    assert (np.diff(epoch.kind.astype(int)) >= 0).all()
    assert (epoch.kind == LASER).sum() == 121
    assert (epoch.b[epoch.kind == GROUND] >= 66).all()


def test_dark_nodes_lose_their_links_and_nothing_else_changes() -> None:
    geometry = Geometry(load_scenario("iridium"))
    whole, without = geometry.epoch(0.0), geometry.epoch(0.0, Failures(frozenset({34, 66})))
    gone = np.isin(whole.a, [34, 66]) | np.isin(whole.b, [34, 66])
    assert gone.any()
    assert np.array_equal(without.a, whole.a[~gone])
    assert np.array_equal(without.b, whole.b[~gone])
    assert np.array_equal(without.destinations, whole.destinations)
    assert not (without.next_hop == 34).any(), "34 is bare, so it is nobody's destination"
    (row,) = np.nonzero(without.destinations == 66)[0]
    assert (np.delete(without.next_hop[row], 66) == -1).all(), "a dark station cannot be reached"
    assert (without.t0_s, without.t1_s) == (whole.t0_s, whole.t1_s)


@pytest.mark.parametrize(
    ("shells", "ground"),
    [
        ([{"planes": 1, "slots": 1, "altitude_km": 550, "inclination_deg": 53}], []),
        ([{"planes": 1, "slots": 2, "altitude_km": 550, "inclination_deg": 53}], ["london"]),
        ([{"planes": 2, "slots": 1, "altitude_km": 20_000, "inclination_deg": 53}], []),
    ],
)
def test_the_smallest_networks_work(shells: list[dict[str, object]], ground: list[str]) -> None:
    scenario = Scenario.model_validate({"version": 1, "name": "tiny", "shells": shells, "ground": ground})
    geometry = Geometry(scenario)
    epoch = geometry.epoch(0.0)
    assert epoch.next_hop.shape == (geometry.n_nodes, geometry.n_nodes)
    assert (np.diagonal(epoch.next_hop) == np.arange(geometry.n_nodes)).all()
    assert geometry.delay_s([], [], 0.0).shape == (0,)


@settings(deadline=None, max_examples=30)
@given(t_s=st.floats(0, 1e5), a=st.integers(0, 47), b=st.integers(0, 47))
def test_delays_are_the_same_both_ways_and_those_of_sgp4(t_s: float, a: int, b: int) -> None:
    geometry = _flickering()
    delay_s = geometry.delay_s([a, b], [b, a], t_s)
    assert delay_s[0] == delay_s[1]
    ends_km = geometry.positions_of_km([a, b], [t_s])[0]
    exact_s = np.linalg.norm(ends_km[0] - ends_km[1]) / 299_792.458
    assert abs(delay_s[0] - exact_s) < 1e-11, "10 ps: 3 mm"
