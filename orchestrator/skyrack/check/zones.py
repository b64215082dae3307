"""Linearizability of a register whose written values are all different, in n log n steps.

Who reads a value then names its write, and each value is in force for one connected time. For a value, or a chain of
values in which compare-and-set replaced one by the next, two bounds follow:

    starts   the latest instant at which its first write can have happened: the earliest end of whatever saw it
    ends     the earliest instant until which it must have lasted: the latest begin of whatever saw it

    starts < ends   a forward zone: the register had these values all the time between
    starts >= ends  a backward zone: everything fits at any one instant between

The history is linearizable if and only if each chain is possible in itself, no two forward zones overlap, and no
backward zone lies within a forward one. Sources: Gibbons, Korach: Testing shared memories (1997), theorem 4.1 and
section 4.2 for read-modify-write; the names are those of Golab, Li, Shah: Analyzing consistency properties for fun and
profit (2011).
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from skyrack.check.call import Call


@dataclass(frozen=True)
class Conflict:
    """Calls that cannot all be placed, and why."""

    calls: Sequence[Call]
    why: str


@dataclass(frozen=True, slots=True)
class _Zone:
    values: Sequence[Any]
    starts_s: float
    ends_s: float
    first: Call | None  # what wrote its first value; None for the initial one
    starter: Call | None
    ender: Call | None

    def calls(self) -> list[Call]:
        return [call for call in (self.first, self.starter, self.ender) if call is not None]


def values_differ(initial: Any, calls: Sequence[Call]) -> bool:
    """Whether no value is written twice, and the initial one never."""
    written = [written_by(call) for call in calls if call.f != "read"]
    return len(set(written)) == len(written) and initial not in written


def written_by(call: Call) -> Any:
    """The value that a write leaves behind."""
    if call.f == "write":
        return call.value
    return call.value[1] if call.f == "cas" else None


def conflict(initial: Any, calls: Sequence[Call]) -> Conflict | None:
    """What makes it impossible to order `calls` (reads, writes and compare-and-sets whose `values_differ`), if anything.

    Unknown calls must be such that their value was seen: they have happened.
    """
    writer: dict[Any, Call] = {}
    replacer: dict[Any, Call] = {}
    readers: defaultdict[Any, list[Call]] = defaultdict(list)
    for call in calls:
        if call.f == "read":
            readers[call.result].append(call)
            continue
        writer[written_by(call)] = call
        if call.f == "cas":
            old = call.value[0]
            if old in replacer:
                return Conflict([replacer[old], call], f"both replaced {old!r}, which was written once")
            replacer[old] = call
    for value, seen_by in [*readers.items(), *((old, [call]) for old, call in replacer.items())]:
        if value not in writer and value != initial:
            return Conflict([seen_by[0]], f"{value!r} was never written")
    forward: list[_Zone] = []
    backward: list[_Zone] = []
    chained = 0
    roots = [initial, *(value for value, call in writer.items() if call.f != "cas")]
    for root in roots:
        chain = [root]
        while (successor := replacer.get(chain[-1])) is not None:
            chain.append(written_by(successor))
        chained += len(chain)
        found = _zone(chain, writer, readers)
        if isinstance(found, Conflict):
            return found
        (forward if found.starts_s < found.ends_s else backward).append(found)
    if chained < 1 + len(writer):
        circle = [call for value, call in writer.items() if _is_circular(value, writer)]
        return Conflict(circle, "each needs the value of another first")
    return next(_clashes(forward, backward), None)


def _zone(
    chain: list[Any], writer: dict[Any, Call], readers: defaultdict[Any, list[Call]]
) -> _Zone | Conflict:
    """The zone of values that replaced one another, or what is impossible within it."""
    latest_s, latest = -math.inf, None  # before this the write of the value at hand cannot have been
    lower: list[tuple[float, Call | None]] = []
    for value in chain:
        write = writer.get(value)
        if write is not None and write.begin_s > latest_s:
            latest_s, latest = write.begin_s, write
        lower.append((latest_s, latest))
        for call in readers.get(value, ()):
            if call.begin_s > latest_s:
                latest_s, latest = call.begin_s, call
    ends_s, ender = latest_s, latest
    earliest_s, earliest = math.inf, None  # after this it cannot
    for position in range(len(chain) - 1, -1, -1):
        write = writer.get(chain[position])
        for call in readers.get(chain[position], ()):
            if call.end_s < earliest_s:
                earliest_s, earliest = call.end_s, call
        if write is not None and write.end_s < earliest_s:
            earliest_s, earliest = write.end_s, write
        bound_s, binder = lower[position]
        if bound_s > earliest_s:
            calls = [writer.get(value) for value in chain[position : position + 2]]
            why = f"{chain[position]!r} was seen before it can have been written"
            return Conflict(_once([*calls, binder, earliest]), why)
    first = writer.get(chain[0])
    if first is None:
        return _Zone(chain, -math.inf, ends_s, None, None, ender)
    return _Zone(chain, earliest_s, ends_s, first, earliest, ender)


def _clashes(forward: list[_Zone], backward: list[_Zone]) -> Iterator[Conflict]:
    forward.sort(key=lambda zone: (zone.starts_s, zone.ends_s))
    for one, other in itertools.pairwise(forward):
        if other.starts_s < one.ends_s:
            yield _clash(one, other)
    starts = [zone.starts_s for zone in forward]
    for zone in backward:
        around = bisect_left(starts, zone.ends_s) - 1
        if around >= 0 and forward[around].ends_s > zone.starts_s:
            yield _clash(forward[around], zone)


def _clash(one: _Zone, other: _Zone) -> Conflict:
    return Conflict(_once([*one.calls(), *other.calls()]), f"{_said(one)}, and {_said(other)}")


def _said(zone: _Zone) -> str:
    first, last = zone.values[0], zone.values[-1]
    value = repr(first) if len(zone.values) == 1 else f"from {first!r} to {last!r}"
    if zone.starts_s >= zone.ends_s:
        return f"it was {value} for a moment between {zone.ends_s:.3f} and {zone.starts_s:.3f} s"
    since = "the start" if math.isinf(zone.starts_s) else f"{zone.starts_s:.3f} s"
    return f"it was {value} from {since} until {zone.ends_s:.3f} s at least"


def _once(calls: Sequence[Call | None]) -> list[Call]:
    present = dict.fromkeys(call for call in calls if call is not None)
    return sorted(present, key=lambda call: call.begin_s)


def _is_circular(value: Any, writer: dict[Any, Call]) -> bool:
    seen = set()
    while value not in seen:
        seen.add(value)
        call = writer.get(value)
        if call is None or call.f != "cas":
            return False
        value = call.value[0]
    return True
