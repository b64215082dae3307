"""The smallest schedule that still breaks: delta debugging over faults, then over all that is left of them.

Everything here is a generator that yields a candidate, is told whether it breaks, and returns the smallest: who runs the
candidates, and how often, is not its business. `yield` of the same candidate twice is allowed; who runs them remembers.

Source of `ddmin`: A. Zeller, R. Hildebrandt, Simplifying and Isolating Failure-Inducing Input, IEEE TSE 28(2), 2002.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TypeVar

from skyrack.orchestrator.hunt.kinds import KINDS, acts_on
from skyrack.orchestrator.hunt.schedule import PER_S, Fault, Schedule

Item = TypeVar("Item")
Shrinking = Generator[Schedule, bool, Schedule]

_SIDES = re.compile(r"([|>])")
LEAD_DS = 2 * PER_S
"""Where the first fault of a small schedule begins: the load is under way."""
_TAILS_S = (2, 5, 10)  # of load after the last fault, shortest first


def ddmin(items: Sequence[Item]) -> Generator[tuple[Item, ...], bool, tuple[Item, ...]]:
    """Of items that break together, some that do and of which none can go (1-minimal); none at all, where that breaks."""
    left, parts = tuple(items), 2
    while left:
        parts = min(parts, len(left))
        chunks = _chunks(left, parts)
        complements = [
            tuple(item for other in chunks if other is not chunk for item in other) for chunk in chunks
        ]
        for chunk in chunks if parts > 1 else []:
            if (yield chunk):
                left, parts = chunk, 2
                break
        else:
            for complement in complements if parts != 2 else []:  # of two, each is the other's
                if (yield complement):
                    left, parts = complement, max(parts - 1, 2)
                    break
            else:
                if parts == len(left):
                    break
                parts *= 2
    return left


def shrink(schedule: Schedule) -> Shrinking:
    """The smallest schedule found; no one of its faults can go."""
    passes = (_faults, _start, _span, _targets, _times, _lengths, _times, _span, _values, _seed)
    while True:
        for one in passes:
            schedule = yield from one(schedule)
        before, schedule = schedule, (yield from _faults(schedule))
        if schedule == before:
            return schedule


def _faults(schedule: Schedule) -> Shrinking:
    """No more faults than needed."""
    trying = ddmin(schedule.faults)
    try:
        faults = next(trying)
        while True:
            faults = trying.send((yield schedule.with_faults(faults)))
    except StopIteration as done:
        return schedule.with_faults(done.value)


def _start(schedule: Schedule) -> Shrinking:
    """The scenario's own start, where the orbit does not matter."""
    return (yield from _first(schedule, [replace(schedule, start_s=0)] if schedule.start_s else []))


def _seed(schedule: Schedule) -> Shrinking:
    """The first seed, where the order of operations does not matter."""
    return (yield from _first(schedule, [replace(schedule, seed=1)] if schedule.seed != 1 else []))


def _targets(schedule: Schedule) -> Shrinking:
    """Fewer nodes: one of several, or one that another fault has broken already."""
    for place in range(len(schedule.faults)):
        fault = schedule.faults[place]
        used = {other.target for other in schedule.faults if acts_on(other.kind) == acts_on(fault.kind)}
        simpler = _of_several(fault.target) + sorted(target for target in used if target < fault.target)
        others = [replace(fault, target=target) for target in simpler]
        schedule = yield from _first(schedule, _instead(schedule, fault, others))
    return schedule


def _of_several(target: str) -> list[str]:
    """The targets that have one name where this has several; of a partition, on one of its sides."""
    parts = _SIDES.split(target)
    return [
        "".join([*parts[:place], name, *parts[place + 1 :]])
        for place, part in enumerate(parts)
        if "," in part
        for name in part.split(",")
    ]


def _lengths(schedule: Schedule) -> Shrinking:
    """Each fault as short as its kind can be, else as short as halving finds."""
    for place in range(len(schedule.faults)):
        low_ds = middle_ds = KINDS[schedule.faults[place].kind].shortest_ds
        while middle_ds < (fault := schedule.faults[place]).for_ds:
            shorter = yield from _first(
                schedule, _instead(schedule, fault, [replace(fault, for_ds=middle_ds)])
            )
            if shorter == schedule:
                low_ds = middle_ds
            elif middle_ds == low_ds:
                schedule = shorter
                break
            schedule = shorter
            middle_ds = _rounded((low_ds + schedule.faults[place].for_ds) // 2)
            if middle_ds <= low_ds:
                break
    return schedule


def _times(schedule: Schedule) -> Shrinking:
    """All of it earlier, together with the orbit or against it; then each fault at a whole second, or with the one before."""
    if schedule.faults and (earlier_ds := schedule.faults[0].at_ds - LEAD_DS) > 0:
        moved = schedule.with_faults(
            replace(fault, at_ds=fault.at_ds - earlier_ds) for fault in schedule.faults
        )
        along = replace(moved, start_s=schedule.start_s + round(earlier_ds / PER_S))
        schedule = yield from _first(schedule, [moved, along] if schedule.start_s == 0 else [along, moved])
    for place in range(len(schedule.faults)):
        fault = schedule.faults[place]
        before = schedule.faults[place - 1].at_ds if place else fault.at_ds
        whole = round(fault.at_ds / PER_S) * PER_S
        wanted = [at_ds for at_ds in (before, whole) if at_ds != fault.at_ds]
        if fault.at_ds % PER_S == 0:
            wanted = [at_ds for at_ds in wanted if at_ds < fault.at_ds]
        schedule = yield from _first(
            schedule, _instead(schedule, fault, [replace(fault, at_ds=at_ds) for at_ds in wanted])
        )
    return schedule


def _span(schedule: Schedule) -> Shrinking:
    """As little load after the last fault as it takes to see what it has done."""
    spans = [-(-schedule.end_ds // PER_S) + tail_s for tail_s in _TAILS_S]
    shorter = [replace(schedule, span_s=span_s) for span_s in spans if span_s < schedule.span_s]
    return (yield from _first(schedule, shorter))


def _values(schedule: Schedule) -> Shrinking:
    """The mildest values."""
    for place in range(len(schedule.faults)):
        fault = schedule.faults[place]
        alike = [v for v in KINDS[fault.kind].values if v.startswith("-") == fault.value.startswith("-")]
        milder = alike[: alike.index(fault.value)] if fault.value in alike else []
        schedule = yield from _first(
            schedule, _instead(schedule, fault, [replace(fault, value=value) for value in milder])
        )
    return schedule


def _first(schedule: Schedule, candidates: Iterable[Schedule]) -> Shrinking:
    """The first of the candidates that breaks, else the schedule."""
    for candidate in candidates:
        if (yield candidate):
            return candidate
    return schedule


def _instead(schedule: Schedule, fault: Fault, others: Iterable[Fault]) -> list[Schedule]:
    """The schedule with another fault in place of one; where that one is there already it is left out."""
    rest = [one for one in schedule.faults if one is not fault]
    return [schedule.with_faults([*rest, other]) for other in others if other not in rest]


def _rounded(tenths: int) -> int:
    """To whole seconds from two seconds on, to halves below."""
    step = PER_S if tenths >= 2 * PER_S else PER_S // 2
    return tenths // step * step


def _chunks(items: tuple[Item, ...], count: int) -> list[tuple[Item, ...]]:
    bounds = [len(items) * i // count for i in range(count + 1)]
    return [items[a:b] for a, b in pairwise(bounds)]
