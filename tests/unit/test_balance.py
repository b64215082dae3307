"""Load-aware in a run: what is counted becomes load, and load moves trees, within the epoch's own links."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.routing.trees import walk
from skyrack.orchestrator.runtime.balance import Balance, utilisation
from skyrack.orchestrator.scenario import Scenario, load_scenario
from skyrack.orchestrator.topology.epoch import Epoch
from skyrack.orchestrator.topology.failures import Failures
from skyrack.orchestrator.topology.geometry import Geometry


class Counters:
    """A fabric whose link 0 is busy all the time."""

    def __init__(self, src: int, dst: int) -> None:
        self.now_s, self.silent = 0.0, False
        self.arrays = {
            "src": np.array([src, dst]),
            "dst": np.array([dst, src]),
            "s_per_byte": np.array([1e-3, 1e-3]),
        }

    async def counters(self, *, links: bool = False) -> dict[str, Any]:
        """950 bytes of 1,000 a second."""
        if self.silent:
            raise TimeoutError
        return {"run_s": self.now_s, "links": {"bytes": [950.0 * self.now_s, 0.0]}}


def _geometry() -> Geometry:
    base = load_scenario("iridium").model_dump(mode="json")
    return Geometry(Scenario.model_validate({**base, "routing": {"strategy": "load-aware"}}))


def test_utilisation_is_time_spent_sending_and_survives_a_reset() -> None:
    used = utilisation(np.array([100.0, 900.0]), np.array([300.0, 50.0]), np.array([1e-3, 1e-3, 9.0]), 0.5)
    assert used.tolist() == [0.4, 0.1]


def _stands(epoch: Epoch, hops: NDArray[np.int32]) -> bool:
    """Whether a tree still leads from everywhere to its root over links of the epoch."""
    links = set(zip(epoch.a.tolist(), epoch.b.tolist(), strict=True))
    onward = [(node, hop) for node, hop in enumerate(hops.tolist()) if hop != node]
    return all((min(way), max(way)) in links for way in onward)


async def test_a_busy_laser_loses_trees_one_turn_at_a_time() -> None:
    geometry = _geometry()
    first = geometry.epoch(0.0)
    used = [int((first.next_hop[:, i] == j).sum()) for i, j in zip(first.a, first.b, strict=True)]
    busiest = int(np.argmax(used))
    a, b = int(first.a[busiest]), int(first.b[busiest])
    fabric, balance = Counters(a, b), Balance(geometry)
    plain = moved = balance.begin(first)
    assert (moved.next_hop == first.next_hop).all(), "nothing has been measured yet"
    await balance.measure(fabric)
    for period in range(1, 9):
        earlier = moved
        fabric.now_s = 15.0 * period
        fabric.silent = period == 5  # the last figures stay
        await balance.measure(fabric)
        plain = geometry.epoch(15.0 * period)
        moved = balance.begin(plain)
        whole = np.array([_stands(plain, earlier.next_hop[row]) for row in range(len(plain.destinations))])
        due = np.arange(len(whole)) % geometry.scenario.routing.load_aware.stagger
        changed = whole & (moved.next_hop != earlier.next_hop).any(axis=1)
        assert len(np.unique(due[changed])) <= 1, "trees that are whole change in their turn only"
    assert (moved.next_hop[:, a] == b).sum() < (plain.next_hop[:, a] == b).sum()
    links = set(zip(moved.a.tolist(), moved.b.tolist(), strict=True))
    london = geometry.index_of("london")
    for destination, hops in zip(moved.destinations.tolist(), moved.next_hop, strict=True):
        found = walk(hops, london, destination)
        assert found is not None
        assert all((min(x, y), max(x, y)) in links for x, y in itertools.pairwise(found))


async def test_what_has_failed_is_avoided_and_other_trees_stay() -> None:
    geometry = _geometry()
    balance = Balance(geometry)
    full = balance.begin(geometry.epoch(0.0))
    a, b = int(full.a[0]), int(full.b[0])
    after = balance.avoiding(full, Failures(links=frozenset({(a, b)})))
    crossing = (full.next_hop[:, a] == b) | (full.next_hop[:, b] == a)
    assert crossing.any()
    assert (after.next_hop[:, a] != b).all()
    assert (after.next_hop[:, b] != a).all()
    assert (after.next_hop[~crossing] == full.next_hop[~crossing]).all()


async def test_measured_trees_use_no_link_that_is_lit_for_what_is_under_way_alone() -> None:
    base = _geometry().scenario
    links = base.links.model_copy(update={"antennas": 1})
    geometry = Geometry(base.model_copy(update={"links": links}))
    numbers = range(1, 200)
    overlapping = (geometry.epoch(geometry.grid_clock.boundary_s(number)) for number in numbers)
    full = next(epoch for epoch in overlapping if epoch.routed is not None)
    assert full.routed is not None
    for trees in (Balance(geometry).begin(full), Balance(geometry).avoiding(full, Failures(frozenset({0})))):
        for link in np.nonzero(~full.routed)[0].tolist():
            satellite, station = int(full.a[link]), int(full.b[link])
            assert (trees.next_hop[:, station] != satellite).all()
            row = full.row_of(station)
            for source in set(full.destinations.tolist()) - {station}:
                path = walk(trees.next_hop[row], source, station)
                assert path is None or path[-2] != satellite
