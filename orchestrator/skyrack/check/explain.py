"""What exactly is wrong with an object that cannot be ordered: how far it can, what does not fit, what would have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from skyrack.check.call import OBSERVING, Call
from skyrack.check.judgement import Judgement
from skyrack.check.model import Model
from skyrack.check.search import search
from skyrack.history import Operation

_MOST_TRIED = 12
_STATES_OF_A_PART = 20_000


@dataclass(frozen=True)
class Violation:
    """The history up to just before the end of `last` can be ordered, `placed` operations of it had ended; with it, not.

    `others`: what it cannot be reconciled with. `allowed`: what it could have answered, not necessarily all. `certain`:
    False if only the history with `last` is known to be bad, and the one before it was too much to decide.
    """

    placed: int
    last: Operation
    others: Sequence[Operation]
    why: str
    allowed: Sequence[Any]
    certain: bool


def judge(model: Model, initial: Any, calls: Sequence[Call], most_states: int) -> Judgement:
    """Whether one object's calls can be ordered, by the model's shortcut where it has one."""
    calls = model.needed(calls)
    quick = model.shortcut(initial, calls)
    return search(model, initial, calls, most_states) if quick is None else quick


def violation(
    model: Model, initial: Any, calls: Sequence[Call], judgement: Judgement, most_states: int
) -> Violation:
    """The shortest part of `calls`, of which `judgement` says that they are bad, that is so already."""
    # A search is stuck where the shortest bad part ends, unless what was under way then both saw and changed something.
    if "dequeue" not in model.functions and model.shortcut(initial, model.needed(calls)) is None:
        last = judgement.conflict[-1]
        answers = [model.answer(state, last) for state in judgement.allowed]
        return _said(judgement, judgement.placed, last, answers)
    certain = True
    ends_s = sorted({call.end_s for call in calls if call.required})
    good, bad, found = 0, len(ends_s), judgement  # so many ends are fine, so many are not
    while bad - good > 1:
        middle = (good + bad) // 2
        part = _until(calls, ends_s[middle - 1])
        tried = judge(model, initial, part, min(most_states, _STATES_OF_A_PART))
        certain = certain and tried.answer != "inconclusive"
        if tried.answer == "bad":
            bad, found = middle, tried
        else:
            good = middle
    until_s = ends_s[bad - 1]
    named = {call.operation.index for call in found.conflict}
    ending = [call for call in calls if call.end_s == until_s]
    last = next((call for call in ending if call.operation.index in named), ending[0])
    placed = sum(call.end_s < until_s for call in calls)
    searched = [model.answer(state, last) for state in found.allowed]
    return _said(found, placed, last, searched or _answers(model, initial, calls, last), certain)


def _until(calls: Sequence[Call], until_s: float) -> list[Call]:
    """What had been seen at that time: who had not ended yet may have taken effect."""
    seen: list[Call] = []
    for call in calls:
        if call.begin_s > until_s:
            break
        if call.end_s <= until_s or not call.required:
            seen.append(call)
        elif call.f != "read":
            seen.append(call.unanswered())
    return seen


def _answers(model: Model, initial: Any, calls: Sequence[Call], last: Call) -> list[Any]:
    """What `last` could have answered instead, of what is likeliest."""
    if last.f not in OBSERVING:
        return []
    allowed = []
    others = [call for call in _until(calls, last.end_s) if call is not last]
    for value in model.candidates(initial, others)[:_MOST_TRIED]:
        tried = sorted(
            [*others, replace(last, result=value)], key=lambda call: (call.begin_s, call.operation.index)
        )
        found = model.shortcut(initial, model.needed(tried))
        if found is not None and found.answer == "ok":
            allowed.append(value)
    return allowed


def _said(
    judgement: Judgement, placed: int, last: Call, answers: list[Any], certain: bool = True
) -> Violation:
    others = [call.operation for call in judgement.conflict if call.operation is not last.operation]
    allowed = list(dict.fromkeys(answers)) if last.f in OBSERVING else []
    return Violation(placed, last.operation, others, judgement.why, allowed, certain)
