"""When the service did its work: the share of operations it answered, and the spans in which it answered none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from skyrack.check.report import Check
from skyrack.check.words import count
from skyrack.history import NO_END, Operation

NAME = "availability"
_MOST_LISTED = 5


@dataclass(frozen=True)
class Gap:
    """A span in which operations were invoked and none was answered. `node`: from where, empty for everybody.

    It begins with the first of them, which may have been sent before the cause: `noticed_s` is when that one failed,
    infinite if nobody ever heard. It ends when the first operation is invoked that is answered, at `answered_s`; both
    are None where none followed.
    """

    node: str
    begin_s: float
    noticed_s: float
    end_s: float | None
    answered_s: float | None
    operations: int


def gaps(operations: Sequence[Operation], node: str = "") -> list[Gap]:
    """The gaps of one node, or of all where none is given, in the order of time."""
    chosen = sorted(
        (operation for operation in operations if not node or operation.node == node),
        key=lambda operation: (operation.invoked_s, operation.index),
    )
    found: list[Gap] = []
    run: list[Operation] = []
    for operation in chosen:
        if not operation.answered:
            run.append(operation)
        elif run:
            found.append(_gap(node, run, operation))
            run = []
    if run:
        found.append(_gap(node, run, None))
    return found


def availability(operations: Sequence[Operation]) -> Check:
    """Shares and gaps, overall and per node. Never bad by itself: what is enough is the user's threshold.

    Operations that were under way when a history was cut short tell nothing, and are not counted.
    """
    operations = judged(operations)
    per_node: defaultdict[str, list[Operation]] = defaultdict(list)
    for operation in operations:
        per_node[operation.node].append(operation)
    answered = sum(operation.answered for operation in operations)
    overall = gaps(operations)
    nodes = {
        node: {
            "share": _share(of_node),
            "gaps": [[gap.begin_s, gap.end_s] for gap in gaps(of_node, node)],
        }
        for node, of_node in sorted(per_node.items())
        if node
    }
    share = _share(operations)
    figures = {
        "answered": answered,
        "share": share,
        "gaps": [[gap.begin_s, gap.end_s] for gap in overall],
        "nodes": nodes,
    }
    if share is None:
        return Check(NAME, "inconclusive", "no operations", (), figures)
    longest = max((gap.end_s - gap.begin_s for gap in overall if gap.end_s is not None), default=0.0)
    text = [f"{100 * share:.2f} % of {count(len(operations), 'operation')} answered"]
    if overall:
        text[0] += f", {count(len(overall), 'gap')} for everybody, the longest {longest:.3f} s"
    for gap in overall[:_MOST_LISTED]:
        end = "the end" if gap.end_s is None else f"{gap.end_s:.3f} s"
        text.append(f"{gap.begin_s:.3f} s to {end}: none of {count(gap.operations, 'operation')}")
    if len(overall) > _MOST_LISTED:
        text.append(f"and {len(overall) - _MOST_LISTED:,} more gaps")
    return Check(NAME, "ok", "\n".join(text), (), figures)


def judged(operations: Sequence[Operation]) -> list[Operation]:
    """Without those whose end nobody could write down."""
    return [operation for operation in operations if operation.error != NO_END]


def _gap(node: str, run: list[Operation], answered: Operation | None) -> Gap:
    return Gap(
        node,
        run[0].invoked_s,
        min(operation.completed_s for operation in run),
        answered.invoked_s if answered else None,
        answered.completed_s if answered else None,
        len(run),
    )


def _share(operations: Sequence[Operation]) -> float | None:
    if not operations:
        return None
    return sum(operation.answered for operation in operations) / len(operations)
