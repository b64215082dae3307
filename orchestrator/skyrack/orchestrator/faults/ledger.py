"""Which faults act when, and what that makes of each link: told instants, it says what changes at each of them.

Every change is composed anew from the faults that act then, so they may end in any order and nothing is left of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from typing import TypeVar

from skyrack.orchestrator.faults.effect import Cut, Effect, Way, compose
from skyrack.orchestrator.faults.fault import Draft, Fault, Stage
from skyrack.orchestrator.faults.hold import AS_EVER, Hold, Place, compose_holds
from skyrack.orchestrator.faults.kinds import KINDS
from skyrack.orchestrator.faults.problem import Unknown
from skyrack.orchestrator.faults.targets import Selection
from skyrack.orchestrator.routing.condition import AS_ALWAYS, Condition

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Change:
    """What is different from `at_s` on: faults that began and ended, links, nodes and places that are no more as they were.

    `ended` are those whose time is over and those that somebody removed, with `until_s` at this instant. `cuts`: all that
    are in force, None where they are the same as before. `staged`: who has come to another stage, as it was before and as it
    is now. `mended`: who does not act any more on nodes that were repaired, and by which fault; it is among `ended` too where
    it acts on nothing else.
    """

    at_s: float
    began: tuple[Fault, ...]
    ended: tuple[Fault, ...]
    conditions: dict[Way, Condition]
    dark: frozenset[int]
    lit: frozenset[int]
    holds: dict[Place, Hold]
    cuts: tuple[Cut, ...] | None
    staged: tuple[tuple[Fault, Fault, Stage], ...] = ()
    mended: tuple[tuple[Fault, Fault, Fault], ...] = ()


class Ledger:
    """Every fault that acts or is to act; those that have ended are forgotten.

    `speed_at`: how many orbit seconds a run second has at a run time, 0 while the orbits are paused.
    """

    def __init__(self, speed_at: Callable[[float], float] = lambda run_s: 1.0) -> None:
        self._speed_at = speed_at
        self._stages: dict[str, str] = {}  # in which those with stages are
        self._stage_ends_s: dict[str, float] = {}
        self._faults: dict[str, Fault] = {}
        self._begun: dict[str, None] = {}
        self._acting: dict[str, None] = {}  # of those begun; with a pulse now and then
        self._pulses: dict[str, int] = {}  # how often it has been on
        self._on_way: dict[Way, dict[str, None]] = {}
        self._on_node: dict[int, dict[str, None]] = {}
        self._on_place: dict[Place, dict[str, None]] = {}
        self._due: list[tuple[float, int, str]] = []
        self._given = self._pushed = 0
        self.conditions: dict[Way, Condition] = {}  # in force, where not as always
        self.dark: frozenset[int] = frozenset()
        self.holds: dict[Place, Hold] = {}
        self.cuts: tuple[Cut, ...] = ()

    @property
    def faults(self) -> list[Fault]:
        """In order of their ids."""
        return list(self._faults.values())

    @property
    def begun(self) -> list[Fault]:
        """Those of them that have begun, in the same order."""
        return [fault for fault in self._faults.values() if fault.id in self._begun]

    def acts(self, fault_id: str) -> bool:
        """Whether the fault has begun."""
        return fault_id in self._begun

    def has(self, fault_id: str) -> bool:
        """Whether the fault acts or is to act."""
        return fault_id in self._faults

    def add(self, draft: Draft, since_s: float) -> Fault:
        """Enter a fault that begins at `since_s`, which may not be before what has been stepped to."""
        self._given += 1
        fault = Fault(f"f{self._given}", draft, since_s, since_s + draft.for_s)
        self._faults[fault.id] = fault
        self._expect(fault.since_s, fault.id)
        return fault

    def restore(self, fault: Fault) -> None:
        """Enter a fault that has an id already."""
        self._faults[fault.id] = fault
        self._expect(fault.since_s, fault.id)

    @property
    def given(self) -> int:
        """How many ids have been given."""
        return self._given

    def give_on(self, fault_ids: Iterable[str]) -> None:
        """These have been given already, by another ledger."""
        self._given = max((self._given, *(int(fault_id[1:]) for fault_id in fault_ids)))

    def stage_of(self, fault_id: str) -> str | None:
        """The name of the stage that a fault is in; None before its first."""
        return self._stages.get(fault_id)

    def reword(self, fault_id: str, nodes: tuple[str, ...]) -> Fault:
        """What a fault acts on is said by these names from now on: it has been mended elsewhere."""
        fault = self._faults[fault_id]
        target = replace(fault.draft.target, words=nodes)
        draft = replace(fault.draft, target=target, selection=Selection(nodes=nodes))
        self._faults[fault_id] = replace(fault, draft=draft)
        return self._faults[fault_id]

    def end(self, fault_id: str, at_s: float) -> Fault:
        """Let a fault end at `at_s`; one that would begin later never does. Raises Unknown."""
        if fault_id not in self._faults:
            if self._was_given(fault_id):
                raise Unknown(f"{fault_id} has ended: skyrack fault list shows those that act or are to come")
            raise Unknown(f"no fault is called {fault_id[:80]!r}: skyrack fault list shows those there are")
        fault = self._faults[fault_id]
        if fault_id not in self._begun and fault.since_s > at_s:
            del self._faults[fault_id]
        elif at_s < fault.until_s:
            fault = self._faults[fault_id] = replace(fault, until_s=at_s)
            self._expect(at_s, fault_id)
        return fault

    def _was_given(self, fault_id: str) -> bool:
        number = fault_id.removeprefix("f")
        return (
            fault_id != number
            and number.isascii()
            and number.isdecimal()
            and 0 < int(number[:9]) <= self._given
            and str(int(number[:9])) == number
        )

    def until(self, fault_id: str, until_s: float) -> None:
        """Let a fault that is there end at another instant, which may not be before what has been stepped to."""
        self._faults[fault_id] = replace(self._faults[fault_id], until_s=until_s)
        self._expect(until_s, fault_id)

    def next_s(self) -> float:
        """The next instant at which something changes; infinite if there is none."""
        while self._due and not self._matters(*self._due[0][::2]):
            heappop(self._due)
        return self._due[0][0] if self._due else math.inf

    def step(self) -> Change:
        """Go to the next instant; there must be one."""
        at_s = self.next_s()
        began: list[Fault] = []
        ended: list[Fault] = []
        staged: list[tuple[Fault, Fault, Stage]] = []
        mended: list[tuple[Fault, Fault, Fault]] = []
        moves: list[tuple[Fault, bool]] = []  # who acts now, and who does not any more, in order
        while self._due and self._due[0][0] == at_s:
            fault = self._faults.get(heappop(self._due)[2])
            if fault is None:
                continue
            if fault.since_s <= at_s and fault.id not in self._begun:
                self._begun[fault.id] = None
                began.append(fault)
                self._expect(fault.until_s, fault.id)
            if fault.until_s > at_s and fault.draft.stages and at_s >= self._stage_ends_s.get(fault.id, at_s):
                before, fault = fault, self._next_stage(fault, at_s)
                staged.append((before, fault, before.draft.stages[0]))
                self._stand_down(before, moves)
                if fault.draft.effect.mends:
                    mended += self._mend(fault, at_s, moves)
            if fault.until_s <= at_s:
                del self._begun[fault.id], self._faults[fault.id]
                self._pulses.pop(fault.id, None)
                self._stages.pop(fault.id, None)
                self._stage_ends_s.pop(fault.id, None)
                ended.append(fault)
                self._stand_down(fault, moves)
            elif self._on_at(fault, at_s) is (fault.id in self._acting):
                continue
            elif not self._stand_down(fault, moves):
                self._acting[fault.id] = None
                moves.append((fault, True))
        change = self._change(at_s, began, ended, moves)
        return replace(change, staged=tuple(staged), mended=tuple(mended))

    def _stand_down(self, fault: Fault, moves: list[tuple[Fault, bool]]) -> bool:
        """The fault acts no more as it is; False if it did not."""
        if fault.id not in self._acting:
            return False
        del self._acting[fault.id]
        moves.append((fault, False))
        return True

    def _next_stage(self, fault: Fault, at_s: float) -> Fault:
        """The fault as it is from `at_s` on, in the first of the stages that it still had."""
        stage, *rest = fault.draft.stages
        speed = self._speed_at(at_s) if stage.orbit else 1.0
        ends_s = at_s + stage.for_s / (speed or 1.0)
        draft = replace(fault.draft, effect=stage.effect, stages=tuple(rest))
        fault = self._faults[fault.id] = replace(
            fault, draft=draft, until_s=fault.until_s if rest else ends_s
        )
        self._stages[fault.id], self._stage_ends_s[fault.id] = stage.name, ends_s
        self._expect(ends_s, fault.id)
        return fault

    def _mend(
        self, by: Fault, at_s: float, moves: list[tuple[Fault, bool]]
    ) -> list[tuple[Fault, Fault, Fault]]:
        """Let what acts on the repaired nodes, and can be mended, act there no more."""
        mended = []
        for fault in self.begun:
            effect = fault.draft.effect
            left = effect.without(by.draft.effect.mends)
            if fault.id == by.id or left == effect or fault.draft.stages or KINDS[fault.draft.kind].final:
                continue
            until_s = at_s if left.nothing else fault.until_s
            after = self._faults[fault.id] = replace(
                fault, draft=replace(fault.draft, effect=left), until_s=until_s
            )
            mended.append((fault, after, by))
            self._stand_down(fault, moves)
            self._expect(at_s, fault.id)  # ends now, or acts again on what is left
        return mended

    def _on_at(self, fault: Fault, at_s: float) -> bool:
        """Whether a fault that has begun acts at an instant of its pulse; the next instant is expected."""
        pulse = fault.draft.pulse
        if pulse is None:
            return True
        count = self._pulses.get(fault.id, 0)
        if at_s >= fault.since_s + count * pulse.period_s:
            self._pulses[fault.id] = count + 1
            self._expect(fault.since_s + count * pulse.period_s + pulse.on_s, fault.id)
            return True
        if at_s >= fault.since_s + (count - 1) * pulse.period_s + pulse.on_s:
            self._expect(fault.since_s + count * pulse.period_s, fault.id)
            return False
        return fault.id in self._acting

    def _change(
        self, at_s: float, began: list[Fault], ended: list[Fault], moves: list[tuple[Fault, bool]]
    ) -> Change:
        ways: dict[Way, None] = {}
        nodes: dict[int, None] = {}
        places: dict[Place, None] = {}
        for fault, acts in moves:
            effect = fault.draft.effect
            put = _enter if acts else _strike
            put(self._on_way, effect.links, fault.id)
            put(self._on_node, effect.dark, fault.id)
            put(self._on_place, effect.holds, fault.id)
            ways |= dict.fromkeys(effect.links)
            nodes |= dict.fromkeys(effect.dark)
            places |= dict.fromkeys(effect.holds)
        before, self.dark = self.dark, (self.dark - nodes.keys()) | {n for n in nodes if n in self._on_node}
        cuts: tuple[Cut, ...] | None = tuple(
            cut for fault_id in self._acting for cut in self._effect_of(fault_id).cuts
        )
        if cuts == self.cuts:
            cuts = None
        else:
            self.cuts = cuts or ()
        return Change(
            at_s,
            tuple(began),
            tuple(ended),
            self._changed_ways(ways),
            self.dark - before,
            before - self.dark,
            self._changed_places(places),
            cuts,
        )

    def _changed_ways(self, ways: Iterable[Way]) -> dict[Way, Condition]:
        now = {
            way: compose(self._effect_of(fault_id).links[way] for fault_id in self._on_way.get(way, ()))
            for way in ways
        }
        return _put_in_force(self.conditions, now, AS_ALWAYS)

    def _changed_places(self, places: Iterable[Place]) -> dict[Place, Hold]:
        now = {
            place: compose_holds(
                self._effect_of(fault_id).holds[place] for fault_id in self._on_place.get(place, ())
            )
            for place in places
        }
        return _put_in_force(self.holds, now, AS_EVER)

    def _effect_of(self, fault_id: str) -> Effect:
        return self._faults[fault_id].draft.effect

    def _expect(self, at_s: float, fault_id: str) -> None:
        if at_s < math.inf:
            self._pushed += 1
            heappush(self._due, (at_s, self._pushed, fault_id))

    def _matters(self, at_s: float, fault_id: str) -> bool:
        """Whether an expected instant is still one at which the fault begins or ends."""
        fault = self._faults.get(fault_id)
        return fault is not None and (
            fault.id not in self._begun
            or fault.until_s <= at_s
            or fault.draft.pulse is not None
            or at_s == self._stage_ends_s.get(fault_id)
        )


def _put_in_force(in_force: dict[K, V], now: Mapping[K, V], usual: V) -> dict[K, V]:
    """Enter what differs from before, and return that; what is as usual is not kept."""
    changed = {key: value for key, value in now.items() if value != in_force.get(key, usual)}
    in_force |= changed
    for key in [key for key, value in changed.items() if value == usual]:
        del in_force[key]
    return changed


def _enter(table: dict[K, dict[str, None]], keys: Iterable[K], fault_id: str) -> None:
    for key in keys:
        table.setdefault(key, {})[fault_id] = None


def _strike(table: dict[K, dict[str, None]], keys: Iterable[K], fault_id: str) -> None:
    for key in keys:
        del table[key][fault_id]
        if not table[key]:
            del table[key]
