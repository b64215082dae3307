"""The shadow ahead is the shadow that there is, instant by instant."""

from __future__ import annotations

import numpy as np
import pytest

from skyrack.orchestrator.environment import passes
from skyrack.orchestrator.environment.eclipses import eclipses
from skyrack.orchestrator.environment.gateways import gateway_passes
from skyrack.orchestrator.environment.passes import Passes, PassSource
from skyrack.orchestrator.environment.stays import Stay
from skyrack.orchestrator.environment.truth import anomaly_passes, truth_at
from skyrack.orchestrator.runtime import exposures
from skyrack.orchestrator.runtime.exposures import BACK_S, FAR_S, NEAR_S, WINDOW_S, Exposures
from skyrack.orchestrator.scenario import load_scenario
from skyrack.orchestrator.topology.geometry import Geometry


@pytest.fixture(scope="module")
def geometry() -> Geometry:
    return Geometry(load_scenario("iridium"))


def test_the_satellite_is_dark_within_every_stay_and_nowhere_else(geometry: Geometry) -> None:
    node, last_s = geometry.index_of("p3s05"), 13_000.0
    stays = eclipses(geometry, node, 0.0, last_s)
    assert len(stays) >= 2, "an orbit of 100 min has an eclipse in each turn in this plane"
    for start_s, end_s in stays:
        assert 1200.0 < end_s - start_s < 2200.0
        for edge_s, inside_s in ((start_s, 0.1), (end_s, -0.1)):
            if 0.0 < edge_s < last_s:
                assert not truth_at(geometry, edge_s + inside_s).lit[node]
                assert truth_at(geometry, edge_s - inside_s).lit[node]
    for t_s in np.arange(30.0, last_s, 300.0).tolist():
        dark = any(start_s <= t_s < end_s for start_s, end_s in stays)
        assert bool(truth_at(geometry, t_s).lit[node]) is not dark, t_s


def test_a_stay_that_is_cut_off_reaches_the_ends(geometry: Geometry) -> None:
    node = geometry.index_of("p3s05")
    start_s, end_s = next(stay for stay in eclipses(geometry, node, 0.0, 13_000.0) if stay[0] > 0.0)
    assert eclipses(geometry, node, start_s + 60.0, end_s - 60.0) == [(start_s + 60.0, end_s - 60.0)]
    assert eclipses(geometry, node, end_s + 60.0, end_s + 600.0) == []


def test_what_is_ahead_is_computed_in_small_pieces_and_is_the_same_however_it_is_cut(
    geometry: Geometry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exposures, "AT_ONCE", 2)
    known, node = Exposures(geometry, Passes(geometry), [0, 1, 38]), 38
    assert known.of(0) is None
    pieces = 0
    while known.extend(0.0, NEAR_S):
        pieces += 1
    assert pieces == 3, "two windows each of three satellites, two at once"
    near = known.of(node)
    assert near is not None
    assert near.until_t_s == WINDOW_S
    while known.extend(0.0, FAR_S):
        pass
    far = known.of(node)
    assert far is not None
    whole = eclipses(geometry, node, -WINDOW_S, far.until_t_s)
    assert [len(far.eclipses), *np.ravel(far.eclipses)] == pytest.approx(
        [len(whole), *np.ravel(whole)], abs=0.06
    )
    over = anomaly_passes(geometry, node, -WINDOW_S, far.until_t_s)
    assert [*np.ravel(far.anomaly_passes)] == pytest.approx([*np.ravel(over)], abs=0.06)
    sights = gateway_passes(geometry, node, -WINDOW_S, far.until_t_s)
    assert [name for name, _ in far.gateway_passes] == [name for name, _ in sights]
    assert [*np.ravel([stay for _, stay in far.gateway_passes])] == pytest.approx(
        [*np.ravel([stay for _, stay in sights])], abs=1.0
    )
    later = Exposures(geometry, Passes(geometry), [node])
    while later.extend(WINDOW_S + BACK_S + 1.0, NEAR_S):
        pass
    again = later.of(node)
    assert again is not None
    common = [stay for stay in far.eclipses if stay[0] > WINDOW_S and stay[1] < again.until_t_s]
    assert common
    assert set(common) <= set(again.eclipses), (
        "an orchestrator that is started again tells the same, to the bit"
    )
    assert known.of(66) is None, "a ground station has a shadow"


def test_stays_over_the_anomaly_that_are_told_and_those_that_befall_are_one_computation(
    geometry: Geometry, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[tuple[int, float]] = []

    def counted(geometry: Geometry, node: int, first_s: float, last_s: float) -> list[Stay]:
        computed.append((node, first_s))
        return anomaly_passes(geometry, node, first_s, last_s)

    monkeypatch.setattr(passes, "anomaly_passes", counted)
    over = Passes(geometry)
    known = Exposures(geometry, over, [0, 1])
    while known.extend(0.0, FAR_S):
        pass
    befalling = PassSource(over, [0, 1], geometry.names).between(0.0, FAR_S)
    told = [known.of(node) for node in (0, 1)]
    begins = sorted(round(stay[0], 3) for one in told if one for stay in one.anomaly_passes if stay[0] > 0.0)
    assert [one.t_s for one in befalling] == [begin_s for begin_s in begins if begin_s < FAR_S]
    assert befalling
    assert len(computed) == len(set(computed)), "worked out twice"


def test_what_a_jump_leaves_out_is_not_computed(geometry: Geometry) -> None:
    known = Exposures(geometry, Passes(geometry), [0])
    while known.extend(0.0, NEAR_S):
        pass
    assert known.extend(1e6, NEAR_S)
    found = known.of(0)
    assert found is not None
    assert found.until_t_s >= 1e6 - BACK_S
    assert all(end_s > 1e6 - BACK_S - WINDOW_S for _, end_s in found.eclipses)


def test_gateways_are_in_sight_when_they_are_said_to_be() -> None:
    geometry = Geometry(load_scenario("starlink-shell1"))
    t_s, seen = 3000.0, 0
    station, satellite = geometry.visible_throughout(geometry.grid_clock.number_at(t_s))
    for node in satellite[:: max(1, len(satellite) // 6)].tolist():
        passes = gateway_passes(geometry, node, 0.0, 7200.0)
        on = {name for name, (start_s, end_s) in passes if start_s <= t_s < end_s}
        assert {geometry.names[geometry.n_sat + one] for one in station[satellite == node]} <= on
        for name, (start_s, end_s) in passes:
            where = np.array([geometry.index_of(name) - geometry.n_sat], np.int32)
            mask_deg = geometry.stations.mask_deg[where[0]]
            who = np.array([node], np.int32)
            for at_s, inwards_s in ((start_s, 1.0), (end_s, -1.0)):
                if 0.0 < at_s < 7200.0:
                    assert geometry.elevation_deg(where, who, at_s + inwards_s)[0] > mask_deg
                    assert geometry.elevation_deg(where, who, at_s - inwards_s)[0] < mask_deg
                    seen += 1
    assert seen > 10
