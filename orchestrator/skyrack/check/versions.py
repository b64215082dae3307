"""Which of a register's values is older, as far as time tells: what lost writes and sessions are judged by."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from skyrack.check.call import frozen
from skyrack.history import Operation

CHANGING = ("write", "cas", "delete")


def by_key(operations: Iterable[Operation]) -> dict[str, list[Operation]]:
    """Operations of each key, in the order of their invocations."""
    found: defaultdict[str, list[Operation]] = defaultdict(list)
    for operation in operations:
        found[operation.key].append(operation)
    for of_key in found.values():
        of_key.sort(key=lambda operation: (operation.invoked_s, operation.index))
    return found


def written(operation: Operation) -> Any:
    """The value that a write, compare-and-set or delete leaves."""
    if operation.f == "write":
        return frozen(operation.value)
    return frozen(operation.value[1]) if operation.f == "cas" else None


def observed(operation: Operation) -> Any:
    """The value that a read or a compare-and-set that matched found."""
    return frozen(operation.result) if operation.f == "read" else frozen(operation.value[0])


def observes(operation: Operation) -> bool:
    """Whether it tells what the register held."""
    return operation.outcome == "ok" and operation.f in ("read", "cas")


class Versions:
    """The writes of one key that may have happened, given in the order of their invocations."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._begins_s: defaultdict[Any, list[float]] = defaultdict(list)
        self._ends_s: defaultdict[Any, list[float]] = defaultdict(
            list
        )  # the latest end of those up to this one
        self._begins_s[None].append(-math.inf)
        self._ends_s[None].append(-math.inf)
        for operation in operations:
            if operation.f in CHANGING and operation.outcome != "fail":
                value = written(operation)
                ends_s = self._ends_s[value]
                ends_s.append(max([operation.completed_s, *ends_s[-1:]]))
                self._begins_s[value].append(operation.invoked_s)

    def written(self, value: Any) -> Iterator[tuple[float, float]]:
        """Of each write of `value` its begin, and the latest end of those up to it; nothing for what nobody wrote."""
        return zip(self._begins_s.get(value, ()), self._ends_s.get(value, ()), strict=True)

    def latest_end_s(self, value: Any, by_s: float) -> float:
        """Until when `value` can have been written by somebody who began by `by_s`.

        Minus infinity for what nobody wrote but was there at first; infinite where an unknown write may come at any time,
        and for what nobody wrote, which proves nothing about others.
        """
        before = bisect_right(self._begins_s.get(value, ()), by_s)
        return self._ends_s[value][before - 1] if before else math.inf

    def earliest_begin_s(self, value: Any) -> float:
        """From when on `value` can have been there; minus infinity for what nobody wrote."""
        begins_s = self._begins_s.get(value)
        return begins_s[0] if begins_s else -math.inf
