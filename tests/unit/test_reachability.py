"""Which pairs reach each other while views differ: holes, circles and when they end."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from skyrack.orchestrator.routing import reachability
from skyrack.orchestrator.routing.computed import computed_rtt
from skyrack.orchestrator.routing.condition import Condition
from skyrack.orchestrator.routing.force_log import ForceLog
from skyrack.orchestrator.routing.link_model import LinkModel
from skyrack.orchestrator.routing.paths import path_of
from skyrack.orchestrator.routing.reachability import Fate, Fates, fates, outages
from skyrack.orchestrator.runtime.convergence import pairs_record
from skyrack.orchestrator.scenario import load_scenario
from skyrack.orchestrator.topology.epoch import Epoch
from skyrack.orchestrator.topology.failures import NO_FAILURES, Failures
from skyrack.orchestrator.topology.geometry import Geometry

DARK_S, EARLY_S, LATE_S = 20.0, 20.2, 20.25
LONDON, TOKYO = 66, 67


@pytest.fixture(scope="module")
def geometry() -> Geometry:
    return Geometry(load_scenario("iridium"))


def _log_of_a_death(geometry: Geometry) -> tuple[ForceLog, int]:
    """The second satellite from London to Tokyo dies; half of the nodes hear early, the others late."""
    log, before = ForceLog(), geometry.epoch(DARK_S)
    path = path_of(before, LONDON, TOKYO)
    assert path is not None
    dead = path[2]
    log.record(0.0, before)
    log.dark(DARK_S, dead)
    heard_s = np.where(np.arange(geometry.n_nodes) % 2 == 0, EARLY_S, LATE_S)
    heard_s[dead] = np.inf
    log.adopt(heard_s, geometry.epoch(DARK_S, Failures(nodes=frozenset({dead}))))
    return log, dead


def test_a_pair_works_exactly_when_the_oracle_lets_a_probe_through(geometry: Geometry) -> None:
    """At instants where nothing changes within a flight; the two share no code but the log."""
    log, dead = _log_of_a_death(geometry)
    ends = np.array([node for node in geometry.inhabited.tolist() if node != dead])
    instants_s = np.array([19.0, 20.01, 21.0])
    found = fates(log.history(), geometry.n_nodes, ends, instants_s)
    model = LinkModel.of(geometry.scenario)
    for j, b in enumerate(ends.tolist()):
        i = 0 if j else 1
        results = computed_rtt(geometry, log, model, int(ends[i]), b, instants_s[[0, 2]], 64)
        works = (found.fate[[0, 2], i, j] == Fate.WORKS) & (found.fate[[0, 2], j, i] == Fate.WORKS)
        assert works.tolist() == [result.rtt_s is not None for result in results]
    tokyo, london = (int(np.nonzero(ends == node)[0][0]) for node in (TOKYO, LONDON))
    assert found.fate[:, london, tokyo].tolist() == [Fate.WORKS, Fate.HOLE, Fate.WORKS]


def test_the_record_says_how_long_pairs_were_cut_and_by_which_path_they_are_restored(
    geometry: Geometry,
) -> None:
    log, dead = _log_of_a_death(geometry)
    record = pairs_record(geometry, log, Failures(nodes=frozenset({dead})), DARK_S, LATE_S)
    assert record["working_before"] == record["working_after"] == record["among"] * (record["among"] - 1)
    assert record["interrupted"] == record["restored"] > 0
    assert EARLY_S - DARK_S - 1e-9 <= record["restored_after_s"]["most"] <= LATE_S - DARK_S + 0.002
    for outage in record["longest"]:
        assert geometry.names[dead] not in outage["path"]
        assert (outage["path"][0], outage["path"][-1]) == (outage["from"], outage["to"])


def test_a_look_at_many_instants_needs_no_memory_for_all_their_walks_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A thread keeps what it ever needed: 200,000 walks at once were 20 MB, and every thread of the pool had its turn."""
    everybody = load_scenario("iridium").model_copy(update={"inhabited": "all"})
    geometry = Geometry(everybody)
    log, _ = _log_of_a_death(geometry)
    instants_s, history = np.linspace(DARK_S - 0.01, LATE_S, 40), log.history()
    ends = geometry.inhabited.astype(np.int64)
    tracemalloc.start()
    try:
        found = fates(history, geometry.n_nodes, ends, instants_s)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(ends) == 69
    assert most < 3e6
    monkeypatch.setattr(reachability, "WALKS_AT_ONCE", 10**9)
    assert np.array_equal(found.fate, fates(history, geometry.n_nodes, ends, instants_s).fate)


def test_a_change_that_cuts_nobody_interrupts_nobody(geometry: Geometry) -> None:
    log = ForceLog()
    log.record(0.0, geometry.epoch(DARK_S))
    record = pairs_record(geometry, log, NO_FAILURES, DARK_S, DARK_S)
    assert record["interrupted"] == record["looped"] == 0
    assert record["longest"] == []


def _square(towards_3: list[int]) -> Epoch:
    """Nodes 0-1-2-3-0 with one tree, towards node 3."""
    ends = np.array([[0, 1], [1, 2], [2, 3], [0, 3]], np.int32)
    return Epoch(
        0.0, 9.0, ends[:, 0], ends[:, 1], np.zeros(4, np.uint8), np.array([3], np.int32), np.array([towards_3], np.int32)
    )  # fmt: skip


def test_two_that_disagree_send_it_round_in_a_circle() -> None:
    """Node 1 goes by way of 0, which has heard that 0-3 is down and goes by way of 1."""
    log = ForceLog()
    log.record(0.0, _two_trees(_square([3, 0, 3, 3])))
    log.condition(1.0, (0, 3), Condition(down=True))
    after = _two_trees(_square([1, 2, 3, 3]))
    log.adopt(np.array([2.0, 3.0, 3.0, 3.0]), after)
    found = fates(log.history(), 4, np.array([1, 3]), np.array([0.5, 1.5, 2.5, 3.5]))
    assert found.fate[:, 0, 1].tolist() == [Fate.WORKS, Fate.HOLE, Fate.LOOP, Fate.WORKS]
    (outage,) = [outage for outage in outages(found, 1.0) if outage.a == 1]
    assert (outage.after_s, outage.lasted_s, outage.looped) == (0.5, 2.0, True)


def _two_trees(epoch: Epoch) -> Epoch:
    """With a tree towards node 1 as well, along the other links."""
    towards_1 = np.array([[1, 1, 1, 2]], np.int32)
    return replace(
        epoch, destinations=np.array([1, 3], np.int32), next_hop=np.concatenate([towards_1, epoch.next_hop])
    )


def test_an_outage_that_does_not_end_has_no_length_and_comes_first() -> None:
    fate = np.zeros((3, 2, 2), np.uint8)
    fate[1, 0, 1] = Fate.HOLE
    fate[1:, 1, 0] = Fate.NO_ROUTE
    found = outages(Fates(np.array([0.0, 1.0, 2.0]), np.array([4, 7]), fate), 0.5)
    assert [(o.a, o.b, o.lasted_s) for o in found] == [(7, 4, None), (4, 7, 1.0)]
