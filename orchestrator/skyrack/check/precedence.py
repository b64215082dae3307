"""Whether calls whose order is known but for ties can have happened in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from skyrack.check.call import Call
from skyrack.check.judgement import Judgement
from skyrack.check.words import what


def against_time(groups: Iterable[Sequence[Call]]) -> tuple[Call, Call] | None:
    """A call of an earlier group, and the first one that had ended before that began; None if time allows the order.

    Calls of a group may happen in any order, all of them behind those of the groups before. That there is such an order
    if and only if no pair contradicts it follows from both being interval orders.
    """
    latest: Call | None = None
    for group in groups:
        newest = latest
        for call in group:
            if latest is not None and call.end_s < latest.begin_s:
                return latest, call
            if newest is None or call.begin_s > newest.begin_s:
                newest = call
        latest = newest
    return None


def judged_by_reads(groups: Iterable[Sequence[Call]], placed: int) -> Judgement:
    """Whether time allows the order in which reads have seen the `placed` calls."""
    wrong = against_time(groups)
    if wrong is None:
        return Judgement("ok", placed=placed)
    before, behind = (what(call.operation) for call in wrong)
    why = f"what was read puts {before} before {behind}, which had ended before it began"
    return Judgement("bad", wrong, why)
