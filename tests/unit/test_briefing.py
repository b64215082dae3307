"""Nodes are told of a change of the clock at once: of one that slows them down before it holds, of a jump when it does.

So they are of storms.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from skyrack.orchestrator.api.control import ControlService
from skyrack.orchestrator.faults.effect import Effect
from skyrack.orchestrator.faults.fault import Draft
from skyrack.orchestrator.faults.ledger import Ledger
from skyrack.orchestrator.faults.targets import Target
from skyrack.orchestrator.runtime.briefing import brief_nodes
from skyrack.orchestrator.runtime.bus import RunBus
from skyrack.orchestrator.runtime.storms import Storms
from skyrack.orchestrator.runtime.updates import Outlook
from skyrack.orchestrator.timeline import Timeline

from .virtual_time import VirtualTime

EPOCH_S = 15.0
AHEAD_S = 0.1


class World:
    """An outlook that is computed in no time, and everything that was published, with the orbit time it was computed for."""

    def __init__(self) -> None:
        self.clock = VirtualTime()
        self.timeline = Timeline(1.0)
        self.storms = Storms(self.timeline)
        self.computed_s: float | None = None
        self.told: list[tuple[float, float | None]] = []
        self.epoch = None

    def compute(self, t_s: float) -> float:
        self.computed_s = t_s
        return (t_s // EPOCH_S + 1.0) * EPOCH_S

    def extend(self) -> bool:
        return False

    def publish(self) -> None:
        self.told.append((round(self.clock.run_s(), 6), self.computed_s))

    async def environment(self, *_: Any) -> None:
        """Nobody listens."""

    async def brief(self) -> None:
        await brief_nodes(
            cast(Outlook, self),
            cast(ControlService, self),
            cast(RunBus, self),
            self.clock,
            self.clock.worker,
            self.timeline,
            self.storms,
        )


def told_after(change: dict[str, float]) -> list[tuple[float, float | None]]:
    """What was published within a minute of a change at 20 s that is announced a moment before."""
    world = World()

    async def work() -> None:
        briefing = asyncio.create_task(world.brief())
        await world.clock.sleep(20.0 - AHEAD_S)
        world.told.clear()
        world.timeline.change(20.0, **change)
        await world.clock.sleep(60.0)
        briefing.cancel()

    world.clock.run(work())
    return world.told


def test_a_pause_is_known_before_it_holds_and_then_there_is_nothing_new() -> None:
    told = told_after({"speed": 0.0})
    assert told[0][0] == pytest.approx(20.0 - AHEAD_S)
    assert {at_s for at_s, _ in told[1:]} == {20.0}
    assert told[-1][1] == pytest.approx(20.0)


def test_of_another_speed_nodes_hear_at_once_and_of_epochs_as_they_come() -> None:
    told = told_after({"speed": 2.0})
    assert told[0][0] == pytest.approx(20.0 - AHEAD_S)
    begins_s = sorted({at_s for at_s, _ in told[1:]})
    assert begins_s[:3] == pytest.approx([20.0, 25.0, 32.5], abs=1e-5)


def test_of_a_jump_nodes_hear_when_they_can_be_told_where_they_are() -> None:
    ((at_s, computed_s), *_) = told_after({"t_s": 5000.0})
    assert at_s == 20.0
    assert computed_s == pytest.approx(5000.0)


def test_of_a_storm_nodes_hear_when_it_begins_and_when_it_ends() -> None:
    world, ledger = World(), Ledger()
    draft = Draft("storm", Target(("p0s00",)), {}, Effect(radiation={0: 20.0}), 3.0, "test")
    world.storms.note([ledger.add(draft, 20.0)])

    async def work() -> None:
        briefing = asyncio.create_task(world.brief())
        await world.clock.sleep(19.0)
        world.told.clear()
        for _ in range(2):
            await world.clock.sleep(ledger.next_s() - world.clock.run_s())
            world.storms.follow(ledger.step())
        await world.clock.sleep(1.0)
        briefing.cancel()

    world.clock.run(work())
    assert sorted({at_s for at_s, _ in world.told}) == [20.0, 23.0], "an epoch is 15 s long"
