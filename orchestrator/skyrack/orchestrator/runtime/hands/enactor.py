"""Has changes of the ledger done: place by place in order, all places at once, each with what came of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial

from skyrack.orchestrator.clock import Clock
from skyrack.orchestrator.faults.fault import Fault
from skyrack.orchestrator.faults.hold import AS_EVER, Hold, Off, Place, compose_holds, place_name
from skyrack.orchestrator.faults.kinds import KINDS
from skyrack.orchestrator.faults.ledger import Change
from skyrack.orchestrator.runtime.hands.hands import CannotError, Hands

MOST_REMEMBERED = 1_000
SETTLE_S = 2.0  # an answer does not wait for longer; events tell of what is later
# Begun when it is due: what was never begun, because the run ended first, is nobody's.
Work = Callable[[], Awaitable[None]]
Act = Callable[[], Awaitable[list[str]]]


class Enactor:
    """Works while `run` does. `tell(event, **fields)` writes an event."""

    def __init__(self, hands: Hands, names: Sequence[str], tell: Callable[..., object], clock: Clock) -> None:
        self._hands = hands
        self._clock = clock
        self._names = names
        self._tell = tell
        self._held: dict[Place, Hold] = {}
        self._by_faults: dict[Place, Hold] = {}
        self._standing: dict[Place, Hold] = {}
        self._locks: dict[Place, asyncio.Lock] = {}
        self._work: asyncio.Queue[tuple[float, Work, list[str]]] = asyncio.Queue()
        self._pending: Counter[str] = Counter()
        self._done = asyncio.Condition()
        self._effects: dict[str, list[str]] = {}
        self.failures = dict.fromkeys(KINDS, 0)  # by kind

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                at_s, work, concerned = await self._work.get()
                await self._clock.sleep(max(0.0, at_s - self._clock.run_s()))
                tasks.create_task(self._do(work, concerned), name=f"enact {' '.join(concerned)}")

    async def let_go(self) -> None:
        """Bring back all that is still held but nodes that are off or drained, as far as that can be done: the run ends."""
        for place, held in list(self._held.items()):
            await self._hold(place, Hold(off=held.off, drained=held.drained, erased=held.erased), [], [])
        await self._hands.close()

    def absent(self, places: Iterable[Place]) -> None:
        """Nothing has been there yet, and nothing comes before `appear`: whoever starts processes knows that already."""
        for place in places:
            self._standing[place] = self._held[place] = Hold(off=Off.ABSENT)

    def appear(self, places: Iterable[Place]) -> None:
        """Have what is there start now, unless a fault keeps it off."""
        for place in places:
            if self._standing.pop(place, None) is not None:
                self._put(self._clock.run_s(), partial(self._hold, place, self._wanted(place), [], []), [])

    def is_off(self, node: int) -> bool:
        """Whether nothing is to run at a node, by what has been followed."""
        return self._wanted((node, "")).off is not Off.ON

    def _wanted(self, place: Place) -> Hold:
        """What faults and absence make of a place together."""
        holds = (of[place] for of in (self._by_faults, self._standing) if place in of)
        return compose_holds(holds)

    def effects(self, fault_id: str) -> list[str]:
        """What took effect of a fault, or why it did not, a sentence per place; of the latest faults."""
        return self._effects.get(fault_id, [])

    async def settled(self, fault_ids: Iterable[str]) -> None:
        """Wait until all that these faults have begun is done, for SETTLE_S at most."""
        ids = list(fault_ids)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S), self._done:
                await self._done.wait_for(lambda: not any(self._pending[one] for one in ids))

    def follow(self, change: Change) -> None:
        """Have done what is different, at the change's instant; returns at once."""
        for fault in change.began:
            for place in sorted(fault.draft.effect.kills):
                killing = partial(self._hands.kill, place)
                self._put(change.at_s, partial(self._once, fault, self._where(place), killing), [fault])
            for place, upset in fault.draft.effect.upsets.items():
                doing = partial(self._hands.upset, place, upset, self._key(fault, place))
                self._put(change.at_s, partial(self._in_turn, fault, place, doing, "fault_effect"), [fault])
            for part in sorted(fault.draft.effect.ends):
                ending = partial(self._hands.end, part)
                self._put(change.at_s, partial(self._once, fault, part, ending), [fault])
        for fault in change.ended:
            for place, upset in fault.draft.effect.upsets.items():
                if upset.what == "hang":
                    release = partial(self._hands.release, place, self._key(fault, place))
                    self._put(
                        change.at_s, partial(self._in_turn, fault, place, release, "fault_undone"), [fault]
                    )
        for place, hold in change.holds.items():
            began = [fault for fault in change.began if place in fault.draft.effect.holds]
            began += [after for _, after, _ in change.staged if place in after.draft.effect.holds]
            ended = [fault for fault in change.ended if place in fault.draft.effect.holds]
            ended += [before for before, _, _ in change.staged if place in before.draft.effect.holds]
            ended += [before for before, _, _ in change.mended if place in before.draft.effect.holds]
            ended = [fault for fault in ended if fault.id not in {other.id for other in began}]
            self._by_faults[place] = hold
            if hold == AS_EVER:
                del self._by_faults[place]
            holding = partial(self._hold, place, self._wanted(place), began, ended)
            self._put(change.at_s, holding, [*began, *ended])

    def _put(self, at_s: float, work: Work, faults: Sequence[Fault]) -> None:
        concerned = [fault.id for fault in faults]
        self._pending.update(concerned)
        self._work.put_nowait((at_s, work, concerned))

    async def _do(self, work: Work, concerned: list[str]) -> None:
        try:
            await work()
        finally:
            self._pending.subtract(concerned)
            self._pending += Counter()  # drops those at zero
            async with self._done:
                self._done.notify_all()

    async def _hold(self, place: Place, hold: Hold, began: list[Fault], ended: list[Fault]) -> None:
        async with self._locks.setdefault(place, asyncio.Lock()):
            before = self._held.get(place, AS_EVER)
            if hold == before:
                return
            self._held[place] = hold  # also where it fails: half of it may have been done
            if hold == AS_EVER:
                del self._held[place]
            where = self._where(place)
            try:
                seen = await self._hands.hold(place, before, hold)
            except CannotError as error:
                for fault in (*began, *ended):
                    self._fail(fault, where, error)
                return
            for fault in began:
                self._say("fault_effect", fault, where, seen)
            for fault in ended:
                self._say("fault_undone", fault, where, seen)

    async def _in_turn(self, fault: Fault, place: Place, doing: Act, event: str) -> None:
        async with self._locks.setdefault(place, asyncio.Lock()):
            await self._once(fault, self._where(place), doing, event)

    async def _once(self, fault: Fault, where: str, doing: Act, event: str = "fault_effect") -> None:
        try:
            seen = await doing()
        except CannotError as error:
            self._fail(fault, where, error)
        else:
            self._say(event, fault, where, seen)

    def _key(self, fault: Fault, place: Place) -> str:
        return f"{fault.id} {self._where(place)}"

    def _where(self, place: Place) -> str:
        return place_name(place, self._names)

    def saw(self, fault: Fault, node: int, sentence: str) -> None:
        """Something of a fault has taken effect that others see to."""
        self._say("fault_effect", fault, self._names[node], [sentence])

    def cannot(self, fault: Fault, node: int, reason: str) -> None:
        """Something of a fault that others see to cannot be."""
        self._fail(fault, self._names[node], CannotError(reason))

    def _say(self, event: str, fault: Fault, where: str, sentences: list[str]) -> None:
        self._remember(fault, where, sentences)
        self._tell(event, fault=fault.id, kind=fault.draft.kind, on=where, effect=sentences)

    def _fail(self, fault: Fault, where: str, error: CannotError) -> None:
        self.failures[fault.draft.kind] += 1
        self._remember(fault, where, [f"failed: {error}"])
        self._tell("fault_failed", fault=fault.id, kind=fault.draft.kind, on=where, reason=str(error))

    def _remember(self, fault: Fault, where: str, sentences: list[str]) -> None:
        said = self._effects.setdefault(fault.id, [])
        said.extend(f"{where}: {sentence}" for sentence in sentences)
        while len(self._effects) > MOST_REMEMBERED:
            del self._effects[next(iter(self._effects))]
