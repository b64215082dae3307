"""Linearizability by Wing and Gong's search with Lowe's memory of what was tried, as Horn and Kroening arrange it.

The history is a doubly linked list of calls and returns in the order of time. Calls before the first return may come
next; one that does is lifted out of the list with its return, and where nothing fits the last one is put back:

    call 1   call 2   return 1   call 3   return 3   return 2
    ^ may come next ^ | 1 must have come by here

A configuration (which calls have been placed, the state they left) that was tried once is not tried again. Three rules
cut the search without changing its answer:

- an observation that is legal now is placed at once: any order of the rest still works behind it;
- of calls that may come next and are alike, only the one that ends first is tried: exchanging two of them changes nothing;
- unknown calls whose effect nobody saw are left out (`Model.needed`).

Sources: Wing, Gong: Testing and verifying concurrent objects (1993). Lowe: Testing for linearizability (2017).
Horn, Kroening: Faster linearizability checking via P-compositionality (2015).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from skyrack.check.call import OBSERVING, Call
from skyrack.check.judgement import Judgement
from skyrack.check.model import ILLEGAL, Choice, Cut, Guided, Model

MOST_STATES = 500_000
_BITS_PER_STATE = (
    2048  # calls out of order and unknown ones, beyond which a configuration counts as more than one
)
_MOST_ALLOWED = 12
# States that a step back counts for where choices are looked for rather than listed, which takes that much longer.
_COST_OF_GUIDANCE = 10
_OFFERED_PER_STATE = 8


@dataclass(slots=True)
class _Placed:
    """Where the search stood before it placed `placed`, and what else may come there."""

    placed: int
    others: Iterator[Choice | Cut]
    state: Any
    low: int
    bits: int
    unknown: int


def search(
    model: Model, initial: Hashable, calls: Sequence[Call], most_states: int = MOST_STATES
) -> Judgement:
    """Whether `calls`, in the order of their invocations, can be put in an order that `model` allows.

    `inconclusive` when more than `most_states` configurations would have to be remembered.
    """
    return _Search(model, initial, calls, most_states).run()


class _Search:
    def __init__(self, model: Model, initial: Hashable, calls: Sequence[Call], most_states: int) -> None:
        self._model = model
        self._guided = model if isinstance(model, Guided) else None
        self._calls = calls
        self._most_states = most_states
        self._state: Any = initial
        n = len(calls)
        # Entries: call i is i, its return n + i, the ends of the list 2n and 2n + 1.
        self._head, self._tail = 2 * n, 2 * n + 1
        order = sorted(
            [(call.begin_s, 0, i) for i, call in enumerate(calls)]
            + [(call.end_s, 1, n + i) for i, call in enumerate(calls) if call.required]
        )
        self._next = [0] * (2 * n + 2)
        self._previous = [0] * (2 * n + 2)
        before = self._head
        for _, _, entry in order:
            self._next[before], self._previous[entry] = entry, before
            before = entry
        self._next[before], self._previous[self._tail] = self._tail, before
        # Required calls have a number in the order of their invocations, and so have the others, apart.
        self._numbers = [0] * n
        counts = [0, 0]
        for i, call in enumerate(calls):
            self._numbers[i] = counts[call.required]
            counts[call.required] += 1
        self._left = counts[True]
        # What has been placed: required calls below `low`, those of `bits` above it, and the unknown ones.
        self._low = 0
        self._bits = 0
        self._unknown = 0
        self._furthest = -math.inf
        self._stuck_at: int | None = None
        self._stuck_states: dict[Any, None] = {}
        self._offered = 0  # what is held for choices that were not tried yet, in states
        self._cut = False  # whether choices were left out for which there may have been a reason

    def run(self) -> Judgement:
        calls, weight = self._calls, self._model.weight
        tried: set[tuple[int, int, int, Any]] = set()
        remembered = 0
        stack: list[_Placed] = []
        choices = self._choices()
        while self._left:
            for choice in choices:
                if isinstance(choice, Cut):
                    self._cut = True
                    continue
                i, call, state = choice
                low, bits, unknown = self._with(i)
                if call.f not in OBSERVING or state is not self._state:
                    seen = (low, bits, unknown, state)
                    if seen in tried:
                        continue
                    remembered += (
                        weight(state) + (bits.bit_length() + unknown.bit_length()) // _BITS_PER_STATE
                    )
                    if remembered + self._offered > self._most_states:
                        return self._gave_up(len(tried))
                    tried.add(seen)
                stack.append(_Placed(i, choices, self._state, self._low, self._bits, self._unknown))
                self._state, self._low, self._bits, self._unknown = state, low, bits, unknown
                self._lift(i)
                self._left -= call.required
                choices = self._choices()
                break
            else:
                if not stack:
                    return self._gave_up(len(tried)) if self._cut else self._bad(len(tried))
                back = stack.pop()
                i, choices = back.placed, back.others
                self._state, self._low, self._bits, self._unknown = (
                    back.state, back.low, back.bits, back.unknown,
                )  # fmt: skip
                self._unlift(i)
                self._left += calls[i].required
                if self._guided is not None:
                    remembered += _COST_OF_GUIDANCE
        return Judgement("ok", states=len(tried), placed=len(stack))

    def _choices(self) -> Iterator[Choice | Cut]:
        """Calls that may come next, the best first; notes which return has to be passed now."""
        n, state, calls = len(self._calls), self._state, self._calls
        following, step = self._next, self._model.step
        able: list[Choice] = []
        waiting: list[Call] = []
        entry = following[self._head]
        while entry < n:
            call = calls[entry]
            after = step(state, call)
            if after is state and call.f in OBSERVING and call.required:
                return iter((Choice(entry, call, state),))
            if after is ILLEGAL:
                waiting.append(call)
            elif call.required or after is not state:
                able.append(Choice(entry, call, after))
            entry = following[entry]
        if entry == self._tail:
            return iter(())  # all that must happen has
        self._note(entry - n)
        if self._guided is not None:
            self._offered += len(able) // _OFFERED_PER_STATE
            return self._guided.to_try(state, calls[entry - n], waiting, able)
        return iter(self._ranked(calls[entry - n], able))

    def _ranked(self, urgent: Call, able: list[Choice]) -> list[Choice]:
        """One of those that are alike, what ends first; that first, or if it waits for another, what brings it nearer."""
        if len(able) < 2:
            return able
        first: dict[Hashable, Choice] = {}
        for choice in able:
            rival = first.get(choice.call.alike)
            if rival is None or choice.call.end_s < rival.call.end_s:
                first[choice.call.alike] = choice
        distance = self._model.distance
        ranked = [
            (0.0 if choice.call is urgent else distance(choice.after, urgent), choice.call.end_s, choice)
            for choice in first.values()
        ]
        ranked.sort(key=itemgetter(0, 1))
        return [choice for _, _, choice in ranked]

    def _note(self, i: int) -> None:
        """Remember how far the search has come: the return that it has to get past now."""
        end_s = self._calls[i].end_s
        if end_s > self._furthest:
            self._furthest, self._stuck_at = end_s, i
            self._stuck_states = {}
        if i == self._stuck_at and len(self._stuck_states) < _MOST_ALLOWED:
            self._stuck_states[self._state] = None

    def _with(self, i: int) -> tuple[int, int, int]:
        """What has been placed once call `i` is."""
        number = self._numbers[i]
        if not self._calls[i].required:
            return self._low, self._bits, self._unknown | 1 << number
        low, bits = self._low, self._bits | 1 << (number - self._low)
        while bits & 1:
            shift = ((bits + 1) & -(bits + 1)).bit_length() - 1
            low, bits = low + shift, bits >> shift
        return low, bits, self._unknown

    def _lift(self, i: int) -> None:
        following, previous = self._next, self._previous
        for entry in (i, len(self._calls) + i) if self._calls[i].required else (i,):
            before, after = previous[entry], following[entry]
            following[before], previous[after] = after, before

    def _unlift(self, i: int) -> None:
        following, previous = self._next, self._previous
        for entry in (len(self._calls) + i, i) if self._calls[i].required else (i,):
            following[previous[entry]] = previous[following[entry]] = entry

    def _bad(self, states: int) -> Judgement:
        assert self._stuck_at is not None
        last = self._calls[self._stuck_at]
        beside = [
            call
            for call in self._calls
            if call is not last and call.begin_s <= last.end_s and call.end_s >= last.begin_s
        ]
        return Judgement(
            "bad", [*beside, last], states=states, allowed=list(self._stuck_states), placed=self._before(last)
        )

    def _gave_up(self, states: int) -> Judgement:
        stuck = [] if self._stuck_at is None else [self._calls[self._stuck_at]]
        return Judgement("inconclusive", stuck, states=states, placed=self._before(*stuck))

    def _before(self, *last: Call) -> int:
        return sum(call.end_s < last[0].end_s for call in self._calls) if last else 0
