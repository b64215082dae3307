"""What the API tells of paths in a run: in force beside ideal, and what has failed on the way."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from skyrack.orchestrator.routing.force_log import ForceLog
from skyrack.orchestrator.routing.paths import path_of
from skyrack.orchestrator.runtime.ways import Ways
from skyrack.orchestrator.scenario import load_scenario
from skyrack.orchestrator.timeline import Timeline
from skyrack.orchestrator.topology.failures import NO_FAILURES, Failures
from skyrack.orchestrator.topology.geometry import Geometry

GEOMETRY = Geometry(load_scenario("iridium"))
T_S = GEOMETRY.grid_clock.boundary_s(1)  # where what is in force is ideal
A, B = GEOMETRY.index_of("london"), GEOMETRY.index_of("tokyo")


class Counting:
    """A fabric whose link 6 carries 1 MB, and link 7 3 MB, in every half second."""

    def __init__(self) -> None:
        self.asked = 0

    async def counters(self, *, links: bool = False) -> dict[str, Any]:
        self.asked += 1
        size = self.asked * 1e6
        return {"run_s": self.asked * 0.5, "links": {"bytes": [9.0] * 6 + [size, 3 * size] + [0.0]}}


async def at_once(seconds: float) -> None:
    """Nobody waits."""


def ways(
    failures: Failures = NO_FAILURES,
    told: Failures = NO_FAILURES,
    acting: Any = (),
    hops: Any = None,
    fabric: Any = None,
) -> Ways:
    log, epoch = ForceLog(), GEOMETRY.epoch(T_S)
    if hops is not None:
        hops(epoch.next_hop)
    log.record(0.0, epoch)
    feed = SimpleNamespace(
        oracle=log, failures=failures, told=told, fabric=fabric, pair_number=lambda a, b: 3 if a < b else None
    )
    faults = SimpleNamespace(darkening=lambda: list(acting))
    clock = SimpleNamespace(run_s=lambda: T_S, sleep=at_once)
    worker = ThreadPoolExecutor(1)
    return Ways(GEOMETRY, Timeline(1.0), cast(Any, feed), cast(Any, faults), cast(Any, clock), worker)


async def test_a_path_to_itself_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="london to itself: a path joins two nodes"):
        await ways().path("london", "london")


async def test_both_paths_are_told_and_nothing_is_wrong() -> None:
    answer = await ways().path("london", "tokyo")
    path = path_of(GEOMETRY.epoch(T_S), A, B)
    assert path is not None
    assert answer["in_force"]["path"] == [GEOMETRY.names[node] for node in path]
    assert answer["in_force"]["rtt_ms"] >= answer["ideal"]["rtt_ms"] > 0.0
    assert not any("dark" in why for why in answer["why"])
    assert answer["strategy"] == "ephemeris"


async def test_a_link_that_failed_on_the_way_is_named_with_its_fault_until_it_is_detected() -> None:
    path = (await ways().path("london", "tokyo"))["in_force"]["path"]
    pair = tuple(sorted(GEOMETRY.index_of(name) for name in path[1:3]))
    failed = Failures(links=frozenset({cast(tuple[int, int], pair)}))
    acting = [("f7", 0.5, (f"{path[1]}-{path[2]}",))]
    answer = await ways(failed, acting=acting).path("london", "tokyo")
    (why,) = answer["why"]
    assert why.endswith("is dark since 0.500 s, by fault f7, not detected yet")
    (why,) = (await ways(failed, failed, acting).path("london", "tokyo"))["why"]
    assert why.endswith("by fault f7")
    link = await ways(failed, acting=acting).link(path[1], path[2])
    assert (link["state"], [reason["code"] for reason in link["why"]]) == ("down", ["failed"])
    assert link["failed"]


async def test_a_circle_and_a_hole_in_force_are_told_apart() -> None:
    row = int(np.searchsorted(GEOMETRY.inhabited, B))
    first = int(GEOMETRY.epoch(T_S).next_hop[row, A])
    kept = GEOMETRY.epoch(T_S).next_hop.copy()

    def circle(next_hop: Any) -> None:
        next_hop[row, next_hop[row, first]] = first

    def hole(next_hop: Any) -> None:
        next_hop[row, first] = -1

    for change, said in ((circle, "in a circle"), (hole, "has no route to tokyo")):
        answer = await ways(hops=change).path("london", "tokyo")
        GEOMETRY.epoch(T_S).next_hop[:] = kept
        assert answer["in_force"] is None
        assert answer["ideal"] is not None
        assert said in answer["why"][0]


async def test_a_link_tells_what_it_carries_each_way_as_it_was_asked_for() -> None:
    path = (await ways().path("london", "tokyo"))["in_force"]["path"]
    low, high = sorted(path[1:3], key=GEOMETRY.index_of)
    assert (await ways(fabric=Counting()).link(low, high))["carried_bps"] == [16e6, 48e6]
    assert (await ways(fabric=Counting()).link(high, low))["carried_bps"] == [48e6, 16e6]
    assert (await ways().link(low, high))["carried_bps"] is None
