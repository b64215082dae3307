"""Queues apart from their order: what was put in comes out once, and nothing else does."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from skyrack.check.call import frozen
from skyrack.check.pairs import Pair, broken
from skyrack.check.report import Check
from skyrack.check.versions import by_key
from skyrack.check.words import count, lines, shown
from skyrack.history import Operation

ONCE = "exactly once"
LOST = "no acknowledged write lost"
_MOST_SHOWN = 5


def queue_checks(operations: Sequence[Operation]) -> list[Check]:
    """Exactly once, and nothing acknowledged lost where the queue was drained."""
    return [_once(operations), _lost(operations)]


def _once(operations: Sequence[Operation]) -> Check:
    """Nothing is dequeued more often than it was enqueued."""
    taken_count = 0
    wrong: list[tuple[str, list[Operation]]] = []
    for key, of_key in by_key(operations).items():
        asked = Counter(
            frozen(operation.value)
            for operation in of_key
            if operation.f == "enqueue" and operation.outcome != "fail"
        )
        taken: defaultdict[Any, list[Operation]] = defaultdict(list)
        for operation in of_key:
            if operation.f == "dequeue" and operation.outcome == "ok" and operation.result is not None:
                taken[frozen(operation.result)].append(operation)
                taken_count += 1
        for value, by in taken.items():
            if len(by) > asked[value]:
                what = "never enqueued" if not asked[value] else f"dequeued {len(by)} times of {asked[value]}"
                wrong.append((f"{shown(value)} of {key}: {what}", by))
    figures = {"dequeued": taken_count, "violations": len(wrong)}
    if not wrong:
        return Check(ONCE, "ok", f"{count(taken_count, 'value')} dequeued, none of them twice", (), figures)
    text = [f"{count(len(wrong), 'value')} dequeued too often"]
    for what, by in wrong[:_MOST_SHOWN]:
        text += [what, *(f"  {row}" for row in lines(by, 4))]
    proof = dict.fromkeys(operation.index for _, by in wrong for operation in by)
    return Check(ONCE, "bad", "\n".join(text), tuple(proof), figures)


def _lost(operations: Sequence[Operation]) -> Check:
    """Acknowledged, never dequeued, though somebody found the queue empty behind it.

    A dequeue whose outcome is unknown may have taken one: so many of a queue are excused.
    """
    acknowledged = still_in = excused = 0
    lost: list[Pair] = []
    for of_key in by_key(operations).values():
        puts = [operation for operation in of_key if operation.f == "enqueue" and operation.outcome == "ok"]
        takes = [operation for operation in of_key if operation.f == "dequeue"]
        acknowledged += len(puts)
        taken = {
            frozen(operation.result)
            for operation in takes
            if operation.outcome == "ok" and operation.result is not None
        }
        empty = max(
            (operation for operation in takes if operation.outcome == "ok" and operation.result is None),
            key=lambda operation: operation.invoked_s,
            default=None,
        )
        emptied_s = -math.inf if empty is None else empty.invoked_s
        missing = [operation for operation in puts if frozen(operation.value) not in taken]
        gone = [operation for operation in missing if operation.completed_s < emptied_s]
        still_in += len(missing) - len(gone)
        unknown = sum(
            operation.outcome == "unknown" and empty is not None and operation.invoked_s <= empty.completed_s
            for operation in takes
        )
        excused += min(unknown, len(gone))
        if empty is not None and len(gone) > unknown:
            lost += [(operation, empty) for operation in gone]
    figures = {
        "acknowledged": acknowledged,
        "lost": len(lost),
        "excused": excused,
        "not_drained": still_in,
    }
    excuse = (
        f", {count(excused, 'value')} may have been taken by dequeues with unknown outcome" if excused else ""
    )
    if lost:
        headline = f"{len(lost):,} missing of {count(acknowledged, 'acknowledged write')}{excuse}"
        return broken(LOST, headline, lost, "was never dequeued before", figures, also=_also)
    if still_in:
        text_open = f"{count(still_in, 'acknowledged write')} not dequeued, and nobody found the queue empty behind them"
        return Check(LOST, "inconclusive", text_open, (), figures)
    return Check(LOST, "ok", f"{count(acknowledged, 'acknowledged write')}, 0 lost{excuse}", (), figures)


def _also(missing: Sequence[Operation]) -> str:
    return "also missing: " + shown([put.value for put in missing])
