"""What is not there yet and what faults do go together at one place, in whatever order they begin and end."""

from __future__ import annotations

import asyncio
import gc
import math
import warnings
from typing import cast

import pytest

from skyrack.orchestrator.faults.effect import Effect
from skyrack.orchestrator.faults.fault import Draft
from skyrack.orchestrator.faults.hold import AS_EVER, Hold, Off, Place
from skyrack.orchestrator.faults.ledger import Ledger
from skyrack.orchestrator.faults.targets import Target
from skyrack.orchestrator.runtime.hands.enactor import Enactor
from skyrack.orchestrator.runtime.hands.hands import Hands

from .virtual_time import VirtualTime

PLACE: Place = (0, "")


class Seen:
    """Hands that note what they are asked for."""

    def __init__(self) -> None:
        self.offs: list[tuple[Off, Off]] = []

    async def hold(self, place: Place, before: Hold, hold: Hold) -> list[str]:
        """Note it."""
        self.offs.append((before.off, hold.off))
        return []


def lost(for_s: float = math.inf, off: Off = Off.LOST) -> Draft:
    holds = {PLACE: Hold(off=off)}
    return Draft("lost", Target(("a",), nodes=(0,), places=(PLACE,)), {}, Effect(holds=holds), for_s, "test")


def play(*acts: object) -> list[tuple[Off, Off]]:
    """A node that is absent at first: drafts begin, "appear" is what it says, one second after the other."""
    time, hands, ledger = VirtualTime(), Seen(), Ledger()
    enactor = Enactor(cast(Hands, hands), ["a"], lambda event, **fields: None, time)

    async def run() -> None:
        enactor.absent([PLACE])
        working = asyncio.create_task(enactor.run())
        for number, act in enumerate(acts):
            while ledger.next_s() <= number:
                enactor.follow(ledger.step())
            if isinstance(act, Draft):
                ledger.add(act, float(number))
            else:
                enactor.appear([PLACE])
            while ledger.next_s() <= number:
                enactor.follow(ledger.step())
            await time.sleep(1.0)
        while ledger.next_s() < math.inf:
            enactor.follow(ledger.step())
        await time.sleep(100.0)
        working.cancel()

    time.run(run())
    return hands.offs


def test_who_appears_is_started_once() -> None:
    assert play("appear", "appear") == [(Off.ABSENT, AS_EVER.off)]


def test_who_is_lost_before_it_appears_never_starts() -> None:
    assert play(lost(), "appear") == [(Off.ABSENT, Off.LOST)]


@pytest.mark.parametrize("for_s", [0.5, 2.0])
def test_a_fault_of_one_that_is_absent_leaves_it_absent_and_a_longer_one_keeps_it_off(for_s: float) -> None:
    offs = play(lost(for_s, Off.REBOOT), "appear")
    assert offs[-1][1] is Off.ON
    assert (Off.ON, Off.REBOOT) not in offs
    assert len(offs) == (3 if for_s < 1.0 else 2)


def test_what_was_not_due_when_the_run_ended_was_never_begun() -> None:
    time, ledger = VirtualTime(), Ledger()
    kills: list[Place] = []

    class Killing(Seen):
        async def kill(self, place: Place) -> list[str]:
            """Note it."""
            kills.append(place)
            return []

    async def run() -> None:
        enactor = Enactor(cast(Hands, Killing()), ["a"], lambda event, **fields: None, time)
        working = asyncio.create_task(enactor.run())
        for at_s in (1.0, 50.0):
            target = Target(("a",), nodes=(0,), places=(PLACE,))
            ledger.add(Draft("kill", target, {}, Effect(kills=frozenset({PLACE})), 0.0, "test"), at_s)
        while ledger.next_s() < math.inf:
            enactor.follow(ledger.step())
        await time.sleep(10.0)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        time.run(run())
        gc.collect()
    assert kills == [PLACE]
    assert not [str(one.message) for one in said if "never awaited" in str(one.message)]
