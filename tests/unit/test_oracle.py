"""Which probes the oracle does not judge: those that flew while something went dark or came back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from skyrack.orchestrator.routing.condition import AS_ALWAYS, Condition
from skyrack.orchestrator.runtime.oracle import GUARD, Oracle
from skyrack.orchestrator.scenario import Scenario, load_scenario
from skyrack.orchestrator.topology.geometry import Geometry

LONDON, TOKYO = 66, 67
SENT_S = (9.5, 9.95, 10.5)  # a round trip takes some 0.1 s


@pytest.mark.parametrize(
    ("began", "ended", "guarded"),
    [
        (Condition(down=True), AS_ALWAYS, [False, True, False]),
        (Condition(extra_s=0.1), AS_ALWAYS, [False, False, False]),
    ],
)
async def test_only_what_darkens_a_link_makes_probes_in_flight_unsettled(
    began: Condition, ended: Condition, guarded: list[bool]
) -> None:
    """Else a reply that the host sent a little late would count as a false outage."""
    scenario = load_scenario("iridium")
    geometry = Geometry(scenario)
    with ThreadPoolExecutor(1) as worker:
        oracle = Oracle(scenario, geometry, worker)
        oracle.in_force(0.0, geometry.epoch(0.0), 0.0)
        for at_s, condition in ((10.0, began), (20.0, ended)):
            oracle.conditions(at_s, {(0, 1): condition, (1, 0): condition})
        for begins_s in (0.0, 10.0):
            probes = [(begins_s + sent_s, LONDON, TOKYO, 64) for sent_s in SENT_S]
            answers = await oracle.computed(probes)
            assert [answer["reason"] == GUARD for answer in answers] == guarded


async def test_at_the_edge_of_a_gap_only_those_are_not_judged_that_the_host_may_have_held_over_it() -> None:
    keys = load_scenario("iridium").model_dump(mode="json")
    keys["links"] |= {"antennas": 1, "handover": "break-before-make"}
    scenario = Scenario.model_validate(keys)
    geometry = Geometry(scenario)
    a, b = geometry.index_of("london"), geometry.index_of("tokyo")
    with ThreadPoolExecutor(1) as worker:
        oracle, t_s, gap = Oracle(scenario, geometry, worker), 0.0, None
        while gap is None or t_s < gap.t1_s + 2.0:
            epoch = geometry.epoch(t_s)
            oracle.in_force(t_s, epoch, 0.0)
            hop = int(epoch.next_hop[epoch.row_of(b), a])
            gap = epoch if gap is None and epoch.in_gap and hop < 0 else gap
            t_s = epoch.t1_s
        sent_s = np.arange(gap.t0_s - 0.5, gap.t1_s + 0.5, 0.001)
        reasons = [one["reason"] for one in await oracle.computed([(float(s), a, b, 64) for s in sent_s])]
        assert all(one["reason"] is None for one in await oracle.computed([(gap.t0_s - 1.0, a, b, 64)]))
    guarded = np.array([reason == GUARD for reason in reasons])
    lost = np.array([reason is not None for reason in reasons]) & ~guarded
    assert 0.2 < lost.sum() * 0.001 < 0.5, "the gap, and the round trip before it"
    assert guarded.sum() <= 25, "ten milliseconds at each edge"
    edges = np.nonzero(np.diff(lost.astype(int)))[0]
    assert len(edges) == 2
    assert all(guarded[edge] or guarded[edge + 1] for edge in edges)
