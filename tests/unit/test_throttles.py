"""What flight software allows becomes a hold on all user software of its node, the latest one, and is told."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path
from typing import Any

import pytest

from skyrack.orchestrator.clock import RealClock
from skyrack.orchestrator.faults.effect import Part, Upset
from skyrack.orchestrator.faults.hold import AS_EVER, GUESTS, Hold, Place
from skyrack.orchestrator.faults.targets import Target
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.flights import Flights
from skyrack.orchestrator.runtime.hands.hands import CannotError
from skyrack.orchestrator.runtime.nodes import NodeBook, NodeState
from skyrack.orchestrator.runtime.throttles import LEAST_CORES, Throttles
from skyrack.v1 import control_pb2


class SlowHands:
    """Hands that hold once they are let, and remember from what to what."""

    def __init__(self) -> None:
        self.may, self.asked = asyncio.Event(), asyncio.Event()
        self.may.set()
        self.held: list[tuple[Place, Hold, Hold]] = []
        self.why_not = ""
        self.bug: Exception | None = None

    async def hold(self, place: Place, before: Hold, hold: Hold) -> list[str]:
        self.held.append((place, before, hold))
        self.asked.set()
        await self.may.wait()
        if self.why_not:
            raise CannotError(self.why_not)
        if self.bug is not None:
            raise self.bug
        return [f"{hold.cpu_ratio}"]

    def refusal(self, kind: str, target: Target) -> str | None:
        raise AssertionError

    async def expect(self, kind: str, target: Target) -> None:
        raise AssertionError

    async def kill(self, place: Place) -> list[str]:
        raise AssertionError

    async def upset(self, place: Place, upset: Upset, key: str) -> list[str]:
        raise AssertionError

    async def release(self, place: Place, key: str) -> list[str]:
        raise AssertionError

    async def end(self, part: Part) -> list[str]:
        raise AssertionError

    async def close(self) -> None:
        raise AssertionError


class World:
    """Flights of one satellite on slow hands."""

    def __init__(self, directory: Path, *, resumed: bool = False) -> None:
        clock = RealClock()
        self.file = directory / "events.jsonl"
        events = EventLog(self.file, clock)
        self.hands = SlowHands()
        book = NodeBook([NodeState(7, "p0s07", "satellite", "100.64.0.8")], events, clock)
        self.throttles = Throttles(self.hands, book, events, resumed=resumed, cores=4)
        self.flights = Flights(self.throttles, events)

    async def report(self, cpu_cores: float | None) -> list[str]:
        state = control_pb2.FlightState(mode=control_pb2.FLIGHT_MODE_THROTTLED, cpu_cores=cpu_cores)
        return await self.flights.report("p0s07", state)

    def told(self) -> list[dict[str, Any]]:
        records = [json.loads(line) for line in self.file.read_text().splitlines()]
        return [
            {name: one[name] for name in ("node", "cpu_cores", "effect")}
            for one in records
            if one["event"] == "flight_throttle"
        ]


@pytest.fixture
async def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_what_is_allowed_is_held_and_told_and_lifted(world: World) -> None:
    assert await world.report(0.5) == ["0.5"]
    assert world.throttles.in_force == {"p0s07": 0.5}
    assert await world.report(0.5) == ["0.5"], "the same again is not done again"
    await world.report(None)
    half, place = Hold(cpu_ratio=0.5), (7, GUESTS)
    assert world.hands.held == [(place, AS_EVER, half), (place, half, AS_EVER)]
    assert world.throttles.in_force == {"p0s07": math.inf}
    assert [(one["cpu_cores"], one["effect"]) for one in world.told()] == [(0.5, ["0.5"]), (None, ["None"])]


async def test_a_mode_is_told_once_however_often_it_is_reported(world: World) -> None:
    for cores in (0.5, 0.4, 0.4):
        await world.report(cores)
    events = [json.loads(line) for line in world.file.read_text().splitlines()]
    assert [(one["node"], one["mode"]) for one in events if one["event"] == "flight_mode"] == [
        ("p0s07", "throttled")
    ]
    assert len(world.told()) == 2


async def test_as_many_cores_as_there_are_is_no_limit_and_none_is_the_least(world: World) -> None:
    await world.report(4.0)
    assert world.hands.held == []
    await world.report(0.0)
    assert world.hands.held[-1][2] == Hold(cpu_ratio=LEAST_CORES)


async def test_what_was_allowed_while_hands_were_busy_is_left_out_but_for_the_last(world: World) -> None:
    world.hands.may.clear()
    reports = [asyncio.create_task(world.report(0.5))]
    await world.hands.asked.wait()
    reports += [asyncio.create_task(world.report(cores)) for cores in (0.4, 0.3)]
    await asyncio.sleep(0)
    world.hands.may.set()
    await asyncio.gather(*reports)
    assert [hold.cpu_ratio for _, _, hold in world.hands.held] == [0.5, 0.3]
    assert world.throttles.in_force == {"p0s07": 0.3}


async def test_what_cannot_be_done_is_counted_and_told(world: World) -> None:
    world.hands.why_not = "who does it has ended"
    assert await world.report(0.5) == ["failed: who does it has ended"]
    assert world.throttles.failures == 1
    assert world.told()[0]["effect"] == ["failed: who does it has ended"]


async def test_an_error_that_nobody_has_foreseen_is_told_to_who_asked_and_tried_again(world: World) -> None:
    world.hands.bug = OSError("no space left")
    with pytest.raises(OSError, match="no space"):
        await world.report(0.5)
    world.hands.bug = None
    assert await world.report(0.5) == ["0.5"]
    assert world.throttles.in_force == {"p0s07": 0.5}


async def test_what_an_orchestrator_that_has_ended_left_limited_is_let_go(tmp_path: Path) -> None:
    world = World(tmp_path, resumed=True)
    await world.report(None)
    assert [hold for _, _, hold in world.hands.held] == [AS_EVER]
    await world.report(None)
    assert len(world.hands.held) == 1
