"""Linearizability of a queue into which every value is put once, in n log n steps.

Such a history is linearizable if and only if none of these is found (Henzinger, Sezgin, Vafeiadis: Aspect-oriented
linearizability proofs, 2013, theorem 1):

- a value is taken that was not put in, or before it can have been
- a value is taken twice
- two values are taken in the inverse of the order in which they were put in, or the earlier one not at all
- nothing is found by somebody at whose every instant something must have been there

An unknown dequeue may have taken any value at any time after it was asked for. Values that must have been taken by one have
a deadline, and so many dequeues as there are deadlines before an instant must have begun before it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from skyrack.check.call import Call
from skyrack.check.judgement import Judgement


@dataclass(slots=True)
class _Item:
    """A value: when it was put in, and from when until when it can have been taken; never, if infinite."""

    put: Call
    taken: Call | None
    begin_s: float = math.inf
    end_s: float = math.inf


def fifo_conflict(calls: Sequence[Call]) -> Judgement | None:
    """The answer for one queue, empty at first; None where values are put in twice or unknown dequeues leave it open."""
    items: dict[Any, _Item] = {}
    empties: list[Call] = []
    unknown_s: list[float] = []
    for call in calls:
        if call.f == "enqueue":
            if call.value in items:
                return None
            items[call.value] = _Item(call, None)
    for call in calls:
        if call.f != "dequeue":
            continue
        if not call.required:
            unknown_s.append(call.begin_s)
        elif call.result is None:
            empties.append(call)
        else:
            item = items.get(call.result)
            if item is None:
                return _bad([call], f"{call.result!r} was never enqueued")
            if item.taken is not None:
                return _bad([item.taken, call], f"{call.result!r} was enqueued once")
            if call.end_s < item.put.begin_s:
                return _bad([item.put, call], f"{call.result!r} had not been enqueued")
            item.taken, item.begin_s, item.end_s = call, call.begin_s, call.end_s
    by_put = sorted(items.values(), key=lambda item: item.put.begin_s)
    if unknown_s and not _assigned(by_put, unknown_s):
        return None
    wrong = _overtaken(by_put) or _not_empty(by_put, empties)
    if wrong is None:
        return Judgement("ok", placed=len(calls))
    return None if unknown_s else wrong


def _assigned(by_put: list[_Item], unknown_s: list[float]) -> bool:
    """Give values that must have been taken before others to unknown dequeues, the most urgent to the earliest."""
    urgent: list[tuple[float, int]] = []
    first_taken_s = math.inf
    later = len(by_put) - 1
    for position in sorted(range(len(by_put)), key=lambda i: -by_put[i].put.end_s):
        while later >= 0 and by_put[later].put.begin_s > by_put[position].put.end_s:
            first_taken_s = min(first_taken_s, by_put[later].end_s)
            later -= 1
        if by_put[position].taken is None and first_taken_s < math.inf:
            urgent.append((first_taken_s, position))
    if len(urgent) > len(unknown_s):
        return False
    for begin_s, (deadline_s, position) in zip(sorted(unknown_s), sorted(urgent), strict=False):
        if begin_s > deadline_s:
            return False
        by_put[position].begin_s = begin_s
    return True


def _overtaken(by_put: list[_Item]) -> Judgement | None:
    """A value that was taken before another could be, though it was put in behind it."""
    waiting = sorted(by_put, key=lambda item: item.put.end_s)
    position = 0
    last: _Item | None = None  # of those put in before, the one that is taken last
    for item in by_put:
        while position < len(waiting) and waiting[position].put.end_s < item.put.begin_s:
            if last is None or waiting[position].begin_s > last.begin_s:
                last = waiting[position]
            position += 1
        if last is not None and item.taken is not None and item.end_s < last.begin_s:
            first, second = last.put.value, item.put.value
            taken = [item.taken] if last.taken is None else [item.taken, last.taken]
            return _bad(
                [last.put, item.put, *taken],
                f"{first!r} was enqueued before {second!r} and has to be dequeued before it",
            )
    return None


def _not_empty(by_put: list[_Item], empties: list[Call]) -> Judgement | None:
    """A dequeue that found nothing though something was there from its begin to its end."""
    certain = sorted(
        (item.put.end_s, item.begin_s, i) for i, item in enumerate(by_put) if item.put.end_s < item.begin_s
    )
    spans: list[tuple[float, float, list[int]]] = []
    for begin_s, end_s, i in certain:
        if spans and begin_s < spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], end_s), spans[-1][2])
            spans[-1][2].append(i)
        else:
            spans.append((begin_s, end_s, [i]))
    starts_s = [span[0] for span in spans]
    for call in empties:
        around = bisect_left(starts_s, call.begin_s) - 1
        if around >= 0 and spans[around][1] > call.end_s:
            there = [
                by_put[i].put
                for i in spans[around][2]
                if by_put[i].put.end_s <= call.end_s and by_put[i].begin_s >= call.begin_s
            ]
            return _bad([*there, call], "something was in the queue all the time")
    return None


def _bad(calls: Sequence[Call], why: str) -> Judgement:
    return Judgement("bad", calls, why)
