"""The disturbance is around every boundary, and its edges are where it begins and ends."""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyrack.orchestrator.routing.computed import computed_rtt
from skyrack.orchestrator.routing.force_log import ForceLog
from skyrack.orchestrator.routing.link_model import LinkModel
from skyrack.orchestrator.scenario import load_scenario
from skyrack.orchestrator.topology.disturbance import Disturbance
from skyrack.orchestrator.topology.geometry import Geometry
from skyrack.orchestrator.topology.grid_clock import GridClock

LONDON, TOKYO = 66, 67


@given(
    phase_s=st.floats(0, 14.9),
    before_s=st.floats(0, 7),
    after_s=st.floats(0, 7),
    first_s=st.floats(0, 1e5),
    span_s=st.floats(0.01, 60),
)
def test_between_two_edges_nothing_changes_and_at_each_edge_it_does(
    phase_s: float, before_s: float, after_s: float, first_s: float, span_s: float
) -> None:
    it = Disturbance(GridClock(15.0, phase_s), before_s, after_s, 0.1, 0.0)
    edges_s = [first_s, *it.edges_s(first_s, first_s + span_s), first_s + span_s]
    for one_s, other_s in itertools.pairwise(edges_s):
        inside_s = np.linspace(one_s, other_s, 7)[1:-1]
        if other_s - one_s > 1e-6:
            assert len(set(it.holds(inside_s).tolist())) == 1
    for edge_s in edges_s[1:-1]:
        around = it.holds(np.array([edge_s - 1e-6, edge_s + 1e-6]))
        if before_s > 1e-5 and after_s > 1e-5:
            assert around[0] != around[1]


@cache
def _geometry(extra_ms: float) -> Geometry:
    scenario = load_scenario("iridium")
    links = scenario.links.model_copy(update={"disturbance_extra_ms": extra_ms})
    return Geometry(scenario.model_copy(update={"links": links}))


def test_there_is_none_unless_it_is_asked_for() -> None:
    assert _geometry(0.0).disturbance is None


def test_a_probe_takes_longer_on_each_ground_link_that_it_comes_to_while_disturbed() -> None:
    plain, disturbed = _geometry(0.0), _geometry(40.0)
    boundary_s = plain.grid_clock.boundary_s(1)
    log = ForceLog()
    log.record(0.0, plain.epoch(0.0))  # routes that do not change meanwhile
    sent_s = boundary_s + np.array([-1.0, -0.13, 0.0, 0.08])
    rtt_s = [
        [one.rtt_s for one in computed_rtt(it, log, LinkModel.of(it.scenario), LONDON, TOKYO, sent_s, 64)]
        for it in (plain, disturbed)
    ]
    assert None not in rtt_s[0]
    longer_ms = [(y - x) * 1e3 for x, y in zip(*rtt_s, strict=True) if x is not None and y is not None]
    # A round trip takes some 130 ms: it meets the disturbance on the way up, down, up and down again, or not.
    assert longer_ms[0] == pytest.approx(0.0, abs=0.01)
    assert longer_ms[1] >= 79.9
    assert longer_ms[1] == pytest.approx(40.0 * round(longer_ms[1] / 40.0), abs=0.1)
    assert longer_ms[2] == pytest.approx(40.0 * round(longer_ms[2] / 40.0), abs=0.1)
    assert longer_ms[2] >= 39.9
    assert longer_ms[3] == pytest.approx(0.0, abs=0.01)
