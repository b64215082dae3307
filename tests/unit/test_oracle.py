"""Which probes the oracle does not judge: those that flew while something went dark or came back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from skyrack.orchestrator.routing.condition import AS_ALWAYS, Condition
from skyrack.orchestrator.runtime.oracle import GUARD, Oracle
from skyrack.orchestrator.scenario import load_scenario
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
