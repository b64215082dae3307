"""What fails is told once its time has come, in few floods, and nothing is told that has ended by then."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, cast

from skyrack.orchestrator.routing.views import News, Views
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.mesh import MeshDriver
from skyrack.orchestrator.runtime.news import FLOODS_AT_ONCE, NewsDesk
from skyrack.orchestrator.runtime.oracle import Oracle
from skyrack.orchestrator.scenario import Scenario, load_scenario
from skyrack.orchestrator.timeline import Timeline
from skyrack.orchestrator.topology.epoch import Epoch
from skyrack.orchestrator.topology.failures import Failures
from skyrack.orchestrator.topology.geometry import Geometry

from .virtual_time import VirtualTime

DETECTION_S = 0.15


class Mesh:
    """Stands for the driver, the oracle and the log of events: remembers what it is told."""

    def __init__(self, epoch: Epoch, takes_s: float = 0.0) -> None:
        self.heard: list[News] = []
        self.events: list[Mapping[str, Any]] = []
        self.views = Views()
        self._epoch, self._takes_s = epoch, takes_s

    async def hear(self, news: News) -> float:
        await asyncio.sleep(self._takes_s)
        self.heard.append(news)
        self.views = self.views.hear(news)
        return 0.0

    async def unhear(self, part: Failures) -> None:
        self.views = self.views.unhear(part)

    @property
    def told(self) -> Failures:
        return self.views.knowledge((1 << len(self.views.news)) - 1)

    def epoch_at(self, run_s: float) -> Epoch:
        return self._epoch

    def pairs_record(self, failures: Failures, at_s: float, until_s: float) -> dict[str, Any]:
        return {"among": 0, "interrupted": 0}

    def add(self, name: str, **fields: Any) -> None:
        self.events.append({"event": name, **fields})


class World:
    """A desk over a small constellation, with `out` for what is out of service."""

    def __init__(self, takes_s: float = 0.0) -> None:
        scenario: Scenario = load_scenario("iridium")
        self.geometry = Geometry(scenario)
        self.epoch = self.geometry.epoch(0.0)
        self.mesh = Mesh(self.epoch, takes_s)
        self.out = Failures()
        self.clock = VirtualTime()
        self._tasks: asyncio.TaskGroup | None = None
        self.desk = NewsDesk(
            scenario,
            self.geometry,
            Timeline(scenario.speed),
            cast("Oracle", self.mesh),
            cast("EventLog", self.mesh),
            self.clock,
            self.clock.worker,
            lambda: self.out,
            lambda: (cast("MeshDriver", self.mesh), None),
            self._start,
        )

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        assert self._tasks is not None
        self._tasks.create_task(work, name=name)

    def link(self, number: int) -> Failures:
        return Failures(links=frozenset({(int(self.epoch.a[number]), int(self.epoch.b[number]))}))

    def lose(self, part: Failures) -> float:
        self.out = Failures(self.out.nodes | part.nodes, self.out.links | part.links)
        at_s = self.clock.run_s()
        self.desk.lost(part, at_s, "fault")
        return at_s

    def mend(self, part: Failures) -> None:
        self.out = Failures(self.out.nodes - part.nodes, self.out.links - part.links)
        self.desk.returned(part, self.clock.run_s(), "fault")

    def during(self, script: Coroutine[Any, Any, None]) -> None:
        """Until all floods are over."""

        async def whole() -> None:
            async with asyncio.TaskGroup() as self._tasks:
                desk = self._tasks.create_task(self.desk.run())
                await script
                await asyncio.sleep(5.0)
                desk.cancel()

        self.clock.run(whole())


def test_what_fails_while_a_flood_is_told_goes_together_in_the_next() -> None:
    world = World(takes_s=0.05)

    async def script() -> None:
        for number in range(60):
            world.lose(world.link(number))
            await asyncio.sleep(0.005)

    world.during(script())
    told = [len(news.worse.links) for news in world.mesh.heard]
    assert sum(told) == 60, "each is told once"
    assert FLOODS_AT_ONCE <= len(told) < 20
    reported = [event for event in world.mesh.events if event["change"] == "loss"]
    assert sorted(link for event in reported for link in event["links"]) == sorted(
        f"{world.geometry.names[a]}-{world.geometry.names[b]}" for a, b in world.out.links
    )


def test_an_outage_that_began_anew_is_noticed_by_its_own_time_not_by_that_of_the_one_before() -> None:
    world = World()
    part, second_s = world.link(0), 0.0

    async def script() -> None:
        nonlocal second_s
        world.lose(part)
        await asyncio.sleep(0.04)
        world.mend(part)
        await asyncio.sleep(0.04)
        second_s = world.lose(part)

    world.during(script())
    assert [news.worse for news in world.mesh.heard] == [part]
    assert world.mesh.heard[0].learns_s.min() >= second_s + DETECTION_S


def test_what_is_back_before_it_is_told_is_never_told() -> None:
    world = World()

    async def script() -> None:
        for number in range(5):
            world.lose(world.link(number))
        await asyncio.sleep(0.02)
        for number in range(5):
            world.mend(world.link(number))

    world.during(script())
    assert world.mesh.heard == []
    assert world.mesh.events == []


def test_what_was_told_and_is_back_is_told_to_be_back() -> None:
    world = World()
    part = world.link(3)

    async def script() -> None:
        world.lose(part)
        await asyncio.sleep(0.5)
        world.mend(part)

    world.during(script())
    assert [(news.worse, news.better) for news in world.mesh.heard] == [
        (part, Failures()),
        (Failures(), part),
    ]
    assert [event["change"] for event in world.mesh.events] == ["loss", "return"]
    assert world.mesh.told == Failures()


def test_what_was_told_ahead_and_is_back_before_anybody_missed_it_is_taken_back() -> None:
    """Else the second outage of a flapping link would be acted on as if it were the first one, that is too early."""
    world = World(takes_s=0.01)
    part, second_s = world.link(0), 0.0

    async def script() -> None:
        nonlocal second_s
        world.lose(part)
        await asyncio.sleep(0.10)
        assert world.mesh.told == part, "it is told ahead of its time"
        world.mend(part)
        await asyncio.sleep(0.02)
        assert world.mesh.told == Failures()
        second_s = world.lose(part)

    world.during(script())
    first, second = world.mesh.heard
    assert first.worse == second.worse == part, "and no return, for nobody missed it"
    assert second.learns_s.min() >= second_s + DETECTION_S
    (event,) = world.mesh.events
    assert (event["change"], event["since_s"]) == ("loss", round(second_s, 6))


def test_a_link_that_flaps_faster_than_anybody_detects_is_never_missed() -> None:
    world = World(takes_s=0.01)
    flapping, lost = world.link(0), world.link(5)

    async def script() -> None:
        for number in range(20):
            world.lose(flapping)
            await asyncio.sleep(0.1)
            world.mend(flapping)
            if number == 10:
                world.lose(lost)
            await asyncio.sleep(0.1)
            assert not flapping.within(world.mesh.told)

    world.during(script())
    (event,) = world.mesh.events
    assert event["links"] == [
        f"{world.geometry.names[a]}-{world.geometry.names[b]}" for a, b in lost.links
    ], "what is lost meanwhile is reported"
    assert event["detected_after_s"] < DETECTION_S + 0.05, "and is not held up by what flaps"


def test_what_is_back_while_it_is_being_told_is_taken_back_as_well() -> None:
    world = World(takes_s=0.08)
    part = world.link(0)

    async def script() -> None:
        world.lose(part)
        await asyncio.sleep(0.08)
        world.mend(part)

    world.during(script())
    assert len(world.mesh.heard) == 1
    assert world.mesh.told == Failures()
    assert world.mesh.events == []
