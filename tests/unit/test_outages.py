"""A terminal misses its peer's light after the detection time, and sees it at once when it is back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from skyrack.orchestrator.runtime.outages import Outages
from skyrack.orchestrator.topology.failures import NO_FAILURES, Failures

from .virtual_time import VirtualTime

DETECTION_S = 0.15
LINK = Failures(links=frozenset({(1, 2)}))
NODE = Failures(nodes=frozenset({3}))


class World:
    """What is out of service, and what those beside it noticed when."""

    def __init__(self, time: VirtualTime, tasks: asyncio.TaskGroup) -> None:
        self.time = time
        self.out = NO_FAILURES
        self.noticed: list[tuple[float, Failures]] = []
        self._tasks = tasks
        self.outages = Outages(DETECTION_S, lambda: self.out, time, self._start)
        self.outages.on_change = lambda change: self.noticed.append((round(time.run_s(), 6), change))

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._tasks.create_task(work, name=name)

    async def lose(self, at_s: float, change: Failures) -> None:
        await self.time.sleep(at_s - self.time.run_s())
        self.out = Failures(self.out.nodes | change.nodes, self.out.links | change.links)
        self.outages.lost(change, at_s)

    async def restore(self, at_s: float, change: Failures) -> None:
        await self.time.sleep(at_s - self.time.run_s())
        self.out = Failures(self.out.nodes - change.nodes, self.out.links - change.links)
        self.outages.returned(change, at_s)


def play(script: Callable[[World], Coroutine[Any, Any, None]]) -> World:
    time, worlds = VirtualTime(), list[World]()

    async def run() -> None:
        async with asyncio.TaskGroup() as tasks:
            worlds.append(World(time, tasks))
            await script(worlds[0])

    time.run(run())
    return worlds[0]


def test_a_loss_is_noticed_after_the_detection_time_and_a_return_at_once() -> None:
    async def script(world: World) -> None:
        await world.lose(1.0, LINK)
        assert world.outages.lost_of(1, [2, 4]) == []
        await world.time.sleep(0.2)
        assert world.outages.lost_of(1, [2, 4]) == [2]
        assert world.outages.lost_of(2, [1]) == [1]
        assert world.outages.lost_of(4, [1, 2]) == []
        await world.restore(2.0, LINK)

    world = play(script)
    assert world.noticed == [(1.15, LINK), (2.0, LINK)]
    assert world.outages.lost_of(1, [2, 4]) == []


def test_a_dark_node_loses_all_its_neighbours_and_they_lose_it() -> None:
    world = play(lambda world: world.lose(1.0, NODE))
    assert world.outages.lost_of(3, [1, 2]) == [1, 2]
    assert world.outages.lost_of(1, [2, 3]) == [3]


def test_what_is_back_before_anybody_missed_it_is_never_lost() -> None:
    async def script(world: World) -> None:
        await world.lose(1.0, LINK)
        await world.restore(1.1, LINK)
        await world.time.sleep(0.2)
        assert world.outages.lost_of(1, [2]) == []

    assert all(at_s == 1.1 for at_s, _ in play(script).noticed)


def test_a_flapping_link_is_missed_from_its_last_loss_on() -> None:
    async def script(world: World) -> None:
        await world.lose(1.0, LINK)
        await world.restore(1.1, LINK)
        await world.lose(1.12, LINK)

    assert play(script).noticed[-1] == (1.27, LINK)


def test_what_something_else_keeps_out_is_not_back() -> None:
    async def script(world: World) -> None:
        await world.lose(1.0, NODE)
        await world.time.sleep(1.0)
        world.outages.returned(NODE, 2.0)  # a fault ends, and the node's process is gone as well

    world = play(script)
    assert world.outages.lost_of(1, [3]) == [3]
    assert world.noticed == [(1.15, NODE)]
