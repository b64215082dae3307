"""Lasers: terminals, acquisition, pointing, patterns and relays."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from skyrack.orchestrator.routing.paths import path_of
from skyrack.orchestrator.routing.plan import plan_records
from skyrack.orchestrator.scenario import Scenario, load_scenario
from skyrack.orchestrator.topology.acquisition import AcquisitionTimes, Sighted, acquire
from skyrack.orchestrator.topology.epoch import LASER
from skyrack.orchestrator.topology.geometry import Geometry
from skyrack.orchestrator.topology.pointing import turning_rad_s

SHELL = {"planes": 12, "slots": 10, "altitude_km": 1200, "inclination_deg": 70, "phasing": 2}
LASERS = {"plus-grid": 4, "ring-diagonal": 4, "tri-grid": 3, "nearest": 3}
LEFT_OF_PARTNERS_DEG_S = 0.05  # some of SHELL's lasers across turn faster


def _scenario(shells: list[dict[str, Any]] | None = None, seed: int = 1, **links: Any) -> Scenario:
    keys = {"version": 1, "name": "lasers", "shells": shells or [SHELL], "links": links, "ground": ["london"]}
    return Scenario.model_validate({**keys, "seed": seed})


@cache
def _geometry(pattern: str) -> Geometry:
    lasers = LASERS[pattern]
    return Geometry(
        _scenario(
            pattern=pattern, lasers_per_satellite=lasers, pointing_rate_max_deg_s=LEFT_OF_PARTNERS_DEG_S
        )
    )


def _lasers(geometry: Geometry, t_s: float) -> set[tuple[int, int]]:
    epoch = geometry.epoch(t_s)
    ours = epoch.kind == LASER
    return set(zip(epoch.a[ours].tolist(), epoch.b[ours].tolist(), strict=True))


@settings(deadline=None, max_examples=60)
@given(t_s=st.floats(-100, 20_000), pattern=st.sampled_from(sorted(LASERS)))
def test_no_satellite_has_more_lasers_lit_or_acquiring_than_terminals(t_s: float, pattern: str) -> None:
    geometry = _geometry(pattern)
    begun = geometry.acquisitions(t_s)
    under_way = begun.pairs[(begun.start_s <= t_s) & (t_s < begun.ready_s)]
    pairs = _lasers(geometry, t_s) | set(map(tuple, under_way.tolist()))
    ends = np.array(sorted(pairs), dtype=np.int64).ravel()
    assert np.bincount(ends, minlength=1).max() <= LASERS[pattern]


@settings(deadline=None, max_examples=20)
@given(t_s=st.floats(0, 20_000), pattern=st.sampled_from(["plus-grid", "nearest"]))
def test_a_restart_in_the_middle_of_acquisitions_computes_the_same(t_s: float, pattern: str) -> None:
    wandering = _geometry(pattern)
    fresh = Geometry(wandering.scenario)
    assert _lasers(fresh, t_s) == _lasers(wandering, t_s)
    assert np.array_equal(fresh.acquisitions(t_s).ready_s, wandering.acquisitions(t_s).ready_s)


def test_a_new_laser_has_light_after_12_to_30_seconds_and_not_before() -> None:
    """Followed second by second against who is able; a run starts with its lasers acquired."""
    geometry, instant = _geometry("plus-grid"), Geometry(_scenario(
        pointing_rate_max_deg_s=LEFT_OF_PARTNERS_DEG_S, acquisition_min_s=0, acquisition_max_s=0
    ))  # fmt: skip
    assert _lasers(geometry, 0.0), "dark at the start"
    able_since: dict[tuple[int, int], float] = dict.fromkeys(_lasers(instant, 0.0), -np.inf)
    waits: list[float] = []
    before = _lasers(geometry, 0.0)
    for second in range(1, 3000):
        t_s = second + 0.5
        able, lit = _lasers(instant, t_s), _lasers(geometry, t_s)
        assert lit <= able
        able_since = {pair: able_since.get(pair, t_s) for pair in able}
        waits += [t_s - able_since[pair] for pair in lit - before if able_since[pair] > 0]
        assert all(t_s - able_since[pair] < 30.0 for pair in able - lit if able_since[pair] > 0)
        before = lit
    assert len(waits) > 20
    assert min(waits) >= 12.0
    assert max(waits) <= 30.0
    assert 18.0 < np.mean(waits) < 25.0, "uniform: 21, rounded up 21.5"


def test_always_lit_lasers_never_acquire() -> None:
    geometry = Geometry(load_scenario("iridium"))
    for t_s in range(0, 6000, 600):
        assert len(geometry.acquisitions(t_s).pairs) == 0
        assert (geometry.epoch(t_s).kind == LASER).sum() == 121


def test_a_draw_depends_on_seed_pair_and_beginning_and_is_uniform() -> None:
    names = [f"p0s{i}" for i in range(2000)]
    pairs = np.stack([np.arange(1999), np.arange(1, 2000)], axis=1).astype(np.int32)
    drawn = AcquisitionTimes(0.0, 100.0, 1, names).draw_s(pairs, 10.0)
    assert (drawn == AcquisitionTimes(0.0, 100.0, 1, names).draw_s(pairs, 10.0)).all()
    assert (drawn != AcquisitionTimes(0.0, 100.0, 2, names).draw_s(pairs, 10.0)).mean() > 0.9
    assert (drawn != AcquisitionTimes(0.0, 100.0, 1, names).draw_s(pairs, 11.0)).mean() > 0.9
    assert np.abs(np.histogram(drawn, bins=10, range=(0, 100))[0] - 200).max() < 60
    longer = AcquisitionTimes(0.0, 100.0, 1, [*names, "new"]).draw_s(pairs, 10.0)
    assert (drawn == longer).all(), "another satellite changes nobody's draw"


def test_a_pair_that_is_chosen_again_acquires_again() -> None:
    """Three periods of 15 s: the pair (0, 1) is away in the middle one."""
    times = AcquisitionTimes(12.0, 12.0, 1, ["a", "b", "c"])
    here, away = np.array([[0, 1], [1, 2]], dtype=np.int32), np.array([[1, 2]], dtype=np.int32)
    periods = [
        Sighted(pairs, (start, start + 15.0), np.ones((1, len(pairs)), dtype=np.bool_))
        for pairs, start in ((here, 0.0), (away, 15.0), (here, 30.0))
    ]
    carrying, begun = acquire(periods, times)
    assert carrying.bounds_s == (30.0, 42.0, 45.0)
    assert carrying.able.tolist() == [[False, True], [True, True]]
    assert (begun.pairs.tolist(), begun.start_s.tolist(), begun.ready_s.tolist()) == (
        [[0, 1]],
        [30.0],
        [42.0],
    )


def test_the_turning_rate_is_that_of_the_line_in_the_satellite_s_frame() -> None:
    """Against finite differences of the line's direction in radial, along-track, cross-track axes."""
    geometry = _geometry("plus-grid")
    pairs = geometry.constellation.grid_pairs

    def direction(t_s: float, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        r_km, v_km_s = geometry._knots.positions_km(t_s), geometry._knots.velocities_km_s(t_s)
        up = r_km[a] / np.linalg.norm(r_km[a], axis=1)[:, np.newaxis]
        side = np.cross(r_km[a], v_km_s[a])
        side /= np.linalg.norm(side, axis=1)[:, np.newaxis]
        line = r_km[b] - r_km[a]
        line /= np.linalg.norm(line, axis=1)[:, np.newaxis]
        axes = (up, np.cross(side, up), side)
        return np.stack([np.einsum("ij,ij->i", axis, line) for axis in axes], axis=1)

    for t_s in (100.3, 1733.0, 4000.0):
        r_km, v_km_s = geometry._knots.positions_km(t_s), geometry._knots.velocities_km_s(t_s)
        a, b = pairs.T
        rate, _ = turning_rad_s(r_km[a], v_km_s[a], r_km[b], v_km_s[b])
        seen = [
            np.linalg.norm(direction(t_s + 0.5, *ends) - direction(t_s - 0.5, *ends), axis=1)
            for ends in ((a, b), (b, a))
        ]
        assert np.allclose(rate, np.maximum(*seen), rtol=1e-3, atol=2e-6), "2e-6: J2 turns the plane itself"


def test_lasers_across_drop_near_the_highest_latitudes_and_those_along_never() -> None:
    geometry = _geometry("plus-grid")
    plane, dark_lat_deg = geometry.constellation.plane, []
    along = {tuple(p) for p in geometry.constellation.grid_pairs.tolist() if plane[p[0]] == plane[p[1]]}
    for t_s in range(0, 6000, 200):
        lit = _lasers(geometry, t_s)
        assert along <= lit
        lat_deg = np.abs(geometry.geodetic(t_s)[0])
        missing = set(map(tuple, geometry.constellation.grid_pairs.tolist())) - lit
        dark_lat_deg += [lat_deg[[a, b]].mean() for a, b in missing]
    assert len(dark_lat_deg) > 100
    assert np.median(dark_lat_deg) > 50.0


@pytest.mark.parametrize("planes", [2, 5, 6, 12])
@pytest.mark.parametrize("pattern", ["plus-grid", "ring-diagonal", "tri-grid"])
def test_a_grid_pattern_joins_all_satellites(pattern: str, planes: int) -> None:
    shell = {**SHELL, "planes": planes, "phasing": 1}
    geometry = Geometry(_scenario([shell], pattern=pattern, graze_altitude_km=0))
    pairs = geometry._chosen(0)
    assert np.bincount(pairs.ravel()).max() <= LASERS[pattern]
    graph = coo_array((np.ones(len(pairs)), tuple(pairs.T)), shape=(geometry.n_sat, geometry.n_sat))
    assert connected_components(graph, directed=False)[0] == 1


def test_across_the_seam_of_a_delta_neighbours_are_as_near_as_elsewhere() -> None:
    """The phase has grown by F slots on the way round: a seam that forgets it is crossed thousands of km off."""
    geometry = Geometry(_scenario([{**SHELL, "planes": 12, "phasing": 7}]))
    pairs, plane = geometry.constellation.grid_pairs, geometry.constellation.plane
    gap = np.abs(plane[pairs[:, 0]] - plane[pairs[:, 1]])
    longest_km = np.zeros(len(pairs))
    for t_s in range(0, 5800, 60):
        r_km = geometry.positions_km(t_s)
        longest_km = np.maximum(longest_km, np.linalg.norm(r_km[pairs[:, 0]] - r_km[pairs[:, 1]], axis=1))
    seam, inner = longest_km[gap == 11], longest_km[gap == 1]
    assert len(seam) == 10
    assert np.allclose([seam.min(), seam.max()], [inner.min(), inner.max()], atol=15.0)


def test_a_platform_fills_in_what_is_not_given() -> None:
    links = _scenario(platform="v2-mini", pattern="tri-grid").links
    assert (links.lasers_per_satellite, links.laser_rate_bps, links.ground_rate_bps) == (3, 100e9, 100e9)
    links = _scenario(platform="v3", laser_rate_bps=1e9).links
    assert (links.lasers_per_satellite, links.laser_rate_bps, links.ground_rate_bps) == (4, 1e9, 1e12)
    assert _scenario(platform="ai-sat", pattern="nearest").links.lasers_per_satellite == 1
    assert (_scenario().links.lasers_per_satellite, _scenario().links.laser_rate_bps) == (4, 100e9)


def test_a_geostationary_relay_joins_low_satellites_that_have_no_other_way() -> None:
    """Two lonely low satellites on opposite sides reach each other through the relay, which serves no more than it can."""
    low = {**SHELL, "name": "leo", "altitude_km": 550, "planes": 2, "slots": 3, "phasing": 0}
    geo = {"kind": "geostationary", "name": "geo", "longitudes_deg": [0]}
    relay = {"terminals_per_relay": 2}
    geometry = Geometry(_scenario([low, geo], laser_range_km=100, geo_relay=relay))
    for t_s in range(0, 20_000, 500):
        served = _lasers(geometry, t_s)
        assert len(served) <= 2
        assert all(b == 6 for _, b in served), (
            "the relay is the last satellite; a range of 100 km is not for it"
        )
        if len(served) == 2:
            ends = sorted(a for a, _ in served)
            assert path_of(geometry.epoch(t_s), ends[0], ends[1]) == [ends[0], 6, ends[1]]
            break
    else:
        pytest.fail("the relay never served two")


def test_no_contact_of_the_plan_begins_before_its_acquisition_ends() -> None:
    records = list(plan_records(_geometry("plus-grid"), 1200.0))
    ready = {(r["a"], r["b"], r["ready_s"]) for r in records if r["record"] == "acquisition"}
    begun = [r for r in records if r["record"] == "contact" and r["kind"] == "laser" and r["t0_s"] > 0.0]
    assert len(begun) > 5
    assert all((r["a"], r["b"], r["t0_s"]) in ready for r in begun)
