"""The shadow ahead is the shadow that there is, instant by instant."""

from __future__ import annotations

import numpy as np
import pytest

from skyrack.orchestrator.environment.eclipses import eclipses
from skyrack.orchestrator.environment.shadow import shadow_at
from skyrack.orchestrator.runtime import shadows
from skyrack.orchestrator.runtime.shadows import RENEW_S, Shadows
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
                assert shadow_at(geometry, edge_s + inside_s).eclipsed[node]
                assert not shadow_at(geometry, edge_s - inside_s).eclipsed[node]
    for t_s in np.arange(30.0, last_s, 300.0).tolist():
        dark = any(start_s <= t_s < end_s for start_s, end_s in stays)
        assert bool(shadow_at(geometry, t_s).eclipsed[node]) == dark, t_s


def test_a_stay_that_is_cut_off_reaches_the_ends(geometry: Geometry) -> None:
    node = geometry.index_of("p3s05")
    start_s, end_s = next(stay for stay in eclipses(geometry, node, 0.0, 13_000.0) if stay[0] > 0.0)
    assert eclipses(geometry, node, start_s + 60.0, end_s - 60.0) == [(start_s + 60.0, end_s - 60.0)]
    assert eclipses(geometry, node, end_s + 60.0, end_s + 600.0) == []


def test_it_is_computed_a_few_satellites_at_a_time_and_renewed_in_time(
    geometry: Geometry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shadows, "AT_ONCE", 2)
    known = Shadows(geometry, [0, 1, 2])
    assert known.of(0) is None
    assert [known.extend(0.0) for _ in range(3)] == [True, True, False]
    first = known.of(2)
    assert first is not None
    assert not known.extend(first.until_t_s - RENEW_S)
    assert known.extend(first.until_t_s - RENEW_S + 1.0)
    again = known.of(0)
    assert again is not None
    assert again.until_t_s > first.until_t_s
    assert known.of(66) is None, "a ground station has a shadow"
