"""When the service did its work: the share of operations it answered, and the spans in which it answered none."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from skyrack.check.report import Check
from skyrack.check.words import count
from skyrack.history import NO_END, Operation

NAME = "availability"
_MOST_LISTED = 5
_QUANTILES = (0.5, 0.9, 0.99, 1.0)


@dataclass(frozen=True)
class Gap:
    """A span in which operations were invoked and none was answered. `node`: from where, empty for everybody.

    It begins with the first of them, which may have been sent before the cause, and ends when the first one is invoked
    that is answered, at `answered_s`; both are None where none followed. `operations`: how many were invoked in it.
    """

    node: str
    begin_s: float
    end_s: float | None
    answered_s: float | None
    operations: int


def gaps(operations: Sequence[Operation], node: str = "") -> list[Gap]:
    """The gaps of what one node asked for, in the order of time."""
    found: list[Gap] = []
    run: list[Operation] = []
    for operation in sorted(operations, key=lambda operation: (operation.invoked_s, operation.index)):
        if not operation.answered:
            run.append(operation)
        elif run:
            found.append(Gap(node, run[0].invoked_s, operation.invoked_s, operation.completed_s, len(run)))
            run = []
    if run:
        found.append(Gap(node, run[0].invoked_s, None, None, len(run)))
    return found


def common_gaps(per_node: Mapping[str, Sequence[Operation]]) -> list[Gap]:
    """Spans in which every node that asks for something is in a gap.

    A node is taken to be as its last operation was, from its first one until its last; beyond that if that one failed.
    """
    up, down = set[str](), set[str]()
    changes: list[tuple[float, str, Operation | None, bool]] = []
    failed_s = []
    for node, operations in per_node.items():
        was: bool | None = None
        last_s = 0.0
        for operation in sorted(operations, key=lambda one: (one.invoked_s, one.index)):
            last_s = operation.invoked_s
            if operation.answered is not was:
                was = operation.answered
                changes.append((last_s, node, operation, was))
            if not operation.answered:
                failed_s.append(last_s)
        if was:
            changes.append((last_s, node, None, True))
    failed_s.sort()
    found: list[Gap] = []
    begin_s: float | None = None
    for at_s, together in groupby(sorted(changes, key=itemgetter(0)), key=itemgetter(0)):
        answered_s = math.inf
        for _, node, changed, is_up in together:
            if changed is None:
                up.discard(node)
            elif is_up:
                up.add(node)
                down.discard(node)
                answered_s = min(answered_s, changed.completed_s)
            else:
                down.add(node)
                up.discard(node)
        if begin_s is None and down and not up:
            begin_s = at_s
        elif begin_s is not None and up:
            within = bisect_left(failed_s, at_s) - bisect_left(failed_s, begin_s)
            found.append(Gap("", begin_s, at_s, answered_s, within))
            begin_s = None
    if begin_s is not None:
        found.append(Gap("", begin_s, None, None, len(failed_s) - bisect_left(failed_s, begin_s)))
    return found


def by_node(operations: Iterable[Operation]) -> dict[str, list[Operation]]:
    """Operations of each node, the nodes by name."""
    found: defaultdict[str, list[Operation]] = defaultdict(list)
    for operation in operations:
        found[operation.node].append(operation)
    return dict(sorted(found.items()))


def availability(operations: Sequence[Operation]) -> Check:
    """Shares and gaps, overall and per node. Never bad by itself: what is enough is the user's threshold.

    Operations that were under way when a history was cut short tell nothing, and are not counted.
    """
    operations = judged(operations)
    per_node = by_node(operations)
    answered = sum(operation.answered for operation in operations)
    overall = common_gaps(per_node)
    nodes = {
        node: {
            "share": _share(of_node),
            "gaps": [[gap.begin_s, gap.end_s] for gap in gaps(of_node, node)],
        }
        for node, of_node in per_node.items()
        if node
    }
    share = _share(operations)
    figures = {
        "answered": answered,
        "share": share,
        "latency_s": _latencies(operations),
        "gaps": [[gap.begin_s, gap.end_s] for gap in overall],
        "nodes": nodes,
    }
    if share is None:
        return Check(NAME, "inconclusive", "no operations", (), figures)
    closed_s = [gap.end_s - gap.begin_s for gap in overall if gap.end_s is not None]
    text = [f"{100 * share:.2f} % of {count(len(operations), 'operation')} answered"]
    if overall:
        text[0] += f", {count(len(overall), 'gap')} for everybody"
    if closed_s:
        text[0] += f", the longest {max(closed_s):.3f} s"
    for gap in overall[:_MOST_LISTED]:
        end = "the end" if gap.end_s is None else f"{gap.end_s:.3f} s"
        text.append(f"{gap.begin_s:.3f} s to {end}: none of {count(gap.operations, 'operation')}")
    if len(overall) > _MOST_LISTED:
        text.append(f"and {count(len(overall) - _MOST_LISTED, 'gap')} more")
    return Check(NAME, "ok", "\n".join(text), (), figures)


def judged(operations: Sequence[Operation]) -> list[Operation]:
    """Without those whose end nobody could write down."""
    return [operation for operation in operations if operation.error != NO_END]


def _latencies(operations: Sequence[Operation]) -> dict[str, float | None]:
    """Nearest ranks of what was answered ok, counted from the intended start."""
    took_s = sorted(operation.latency_s for operation in operations if operation.outcome == "ok")
    return {
        f"p{100 * q:g}": took_s[max(1, math.ceil(q * len(took_s) - 1e-9)) - 1] if took_s else None
        for q in _QUANTILES
    }


def _share(operations: Sequence[Operation]) -> float | None:
    if not operations:
        return None
    return sum(operation.answered for operation in operations) / len(operations)
