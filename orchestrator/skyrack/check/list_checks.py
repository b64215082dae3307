"""Sets and lists apart from linearizability: what was acknowledged is there at the end, once, and reads only grow."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from skyrack.check.call import frozen
from skyrack.check.pairs import Pair, broken
from skyrack.check.report import Check
from skyrack.check.versions import by_key
from skyrack.check.words import count, line, shown
from skyrack.history import Operation

LOST = "no acknowledged write lost"
ONCE = "each value once"
ORDER = "reads extend each other"
MONOTONIC = "monotonic reads"
OWN_WRITES = "read your writes"
_MOST_SHOWN = 5


@dataclass(frozen=True)
class _Read:
    operation: Operation
    values: Sequence[Any]

    @property
    def held(self) -> frozenset[Any]:
        return frozenset(self.values)


def set_checks(operations: Sequence[Operation]) -> list[Check]:
    """No acknowledged addition is missing at the end; nothing is read that nobody added; sessions see no less than before."""
    return [
        _lost(operations, "add"),
        _once(operations, "add"),
        *_sessions(operations, "add", lambda before, after: before.held <= after.held),
    ]


def append_checks(operations: Sequence[Operation]) -> list[Check]:
    """As for sets; moreover each value is there once, and of two reads one begins with the other."""
    return [
        _lost(operations, "append"),
        _once(operations, "append"),
        _order(operations),
        *_sessions(operations, "append", lambda before, after: _begins(after.values, before.values)),
    ]


def _reads(operations: Iterable[Operation]) -> list[_Read]:
    return [
        _Read(operation, frozen(operation.result or ()))
        for operation in operations
        if operation.f == "read" and operation.outcome == "ok"
    ]


def _lost(operations: Sequence[Operation], f: str) -> Check:
    """Acknowledged before the last reads were asked for, and in none of them. Last are reads with none behind them."""
    acknowledged = judged = 0
    lost: list[Pair] = []
    for of_key in by_key(operations).values():
        writes = [operation for operation in of_key if operation.f == f and operation.outcome == "ok"]
        acknowledged += len(writes)
        reads = [operation for operation in of_key if operation.f == "read" and operation.outcome == "ok"]
        latest_begin_s = max((read.invoked_s for read in reads), default=-math.inf)
        last = _reads(read for read in reads if read.completed_s >= latest_begin_s)
        held = frozenset().union(*(read.values for read in last))
        for write in writes:
            behind = [read.operation for read in last if read.operation.invoked_s > write.completed_s]
            judged += bool(behind)
            if behind and frozen(write.value) not in held:
                lost.append((write, behind[0]))
    figures = {"acknowledged": acknowledged, "judged": judged, "lost": len(lost)}
    if lost:
        headline = (
            f"{len(lost):,} lost of {count(judged, 'acknowledged write')} that the last reads should have"
        )
        return broken(LOST, headline, lost, "is not in", figures, also=_also)
    if acknowledged and not judged:
        text_open = f"{count(acknowledged, 'acknowledged write')}, and no read behind any of them"
        return Check(LOST, "inconclusive", text_open, (), figures)
    return Check(LOST, "ok", f"{count(judged, 'acknowledged write')} in the last reads, 0 lost", (), figures)


def _also(lost: Sequence[Operation]) -> str:
    return "also lost: " + shown([write.value for write in lost])


def _once(operations: Sequence[Operation], f: str) -> Check:
    """No read has a value that nobody asked for, or one twice that was asked for once."""
    wrong: list[tuple[Operation, str]] = []
    read_count = 0
    for of_key in by_key(operations).values():
        asked = Counter(
            frozen(operation.value)
            for operation in of_key
            if operation.f == f and operation.outcome != "fail"
        )
        reads = _reads(of_key)
        read_count += len(reads)
        known: set[Any] = set()
        for read in reads:
            for value, times in Counter(read.values).items():
                most = min(1, asked[value]) if f == "add" else asked[value]
                if times > most and (value, times) not in known:
                    known.add((value, times))
                    times_text = "that nobody wrote" if not asked[value] else f"{times} times"
                    wrong.append((read.operation, f"{shown(value)} {times_text}"))
    return _found(ONCE, wrong, f"{count(read_count, 'read')} judged", "values too often")


def _order(operations: Sequence[Operation]) -> Check:
    """Of any two reads of a list one begins with the other."""
    wrong: list[tuple[Operation, str]] = []
    read_count = 0
    for of_key in by_key(operations).values():
        reads = sorted(_reads(of_key), key=lambda read: len(read.values))
        read_count += len(reads)
        for shorter, longer in itertools.pairwise(reads):
            if not _begins(longer.values, shorter.values):
                wrong.append((shorter.operation, f"does not go on to #{longer.operation.index}"))
                wrong.append((longer.operation, f"does not begin as #{shorter.operation.index}"))
    return _found(ORDER, wrong, f"{count(read_count, 'read')} judged", "contradictions")


def _sessions(
    operations: Sequence[Operation], f: str, goes_on: Callable[[_Read, _Read], bool]
) -> list[Check]:
    monotonic: list[tuple[Operation, str]] = []
    own: list[tuple[Operation, str]] = []
    judged = 0
    for of_key in by_key(operations).values():
        last: dict[int, _Read] = {}
        written: defaultdict[int, list[Operation]] = defaultdict(list)
        for operation in of_key:
            if operation.outcome != "ok":
                continue
            if operation.f == f:
                written[operation.process].append(operation)
                continue
            read = _reads([operation])[0]
            judged += 1
            before = last.get(operation.process)
            if before is not None and not goes_on(before, read):
                monotonic.append((operation, f"does not have all of #{before.operation.index}"))
            last[operation.process] = read
            if written[operation.process]:
                held = read.held
                for write in written[operation.process]:
                    if frozen(write.value) not in held:
                        own.append((operation, f"lacks its own {shown(write.value)} of #{write.index}"))
    fine = f"{count(judged, 'read')} judged"
    return [
        _found(MONOTONIC, monotonic, fine, "reads that went back"),
        _found(OWN_WRITES, own, fine, "own writes missing"),
    ]


def _found(name: str, wrong: list[tuple[Operation, str]], fine: str, things: str) -> Check:
    figures = {"violations": len(wrong)}
    if not wrong:
        return Check(name, "ok", fine, (), figures)
    text = [f"{len(wrong):,} {things}"]
    for operation, what in wrong[:_MOST_SHOWN]:
        text += [what, f"  {line(operation)}"]
    proof = dict.fromkeys(operation.index for operation, _ in wrong)
    return Check(name, "bad", "\n".join(text), tuple(proof), figures)


def _begins(longer: Sequence[Any], shorter: Sequence[Any]) -> bool:
    return longer[: len(shorter)] == shorter
