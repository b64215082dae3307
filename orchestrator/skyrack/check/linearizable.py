"""Linearizability of a whole history, object by object: linearizability is local, so each is judged alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from skyrack.check.call import Call, calls_of
from skyrack.check.explain import Violation, judge, violation
from skyrack.check.judgement import Judgement
from skyrack.check.model import Model
from skyrack.check.report import Check
from skyrack.check.words import count, line, shown
from skyrack.history import Operation

NAME = "linearizable"
_MOST_EXPLAINED = 3


def linearizable(
    model: Model, operations: Sequence[Operation], options: Mapping[str, Any], most_states: int
) -> Check:
    """Whether each object's operations can be put in an order that the model allows and time does not contradict."""
    objects: defaultdict[str, list[Operation]] = defaultdict(list)
    for operation in operations:
        objects[operation.key if model.per_key else ""].append(operation)
    initial = model.initial(options)
    bad: list[tuple[str, list[Call], Judgement]] = []
    undecided: list[tuple[str, Judgement]] = []
    states = 0
    for key, of_object in objects.items():
        calls = calls_of(of_object, model.seen)
        judgement = judge(model, initial, calls, most_states)
        states += judgement.states
        if judgement.answer == "bad":
            bad.append((key, calls, judgement))
        elif judgement.answer == "inconclusive":
            undecided.append((key, judgement))
    figures = {"objects": len(objects), "bad": len(bad), "undecided": len(undecided), "states": states}
    noun = "key" if model.per_key else "object"
    if bad:
        text = [f"{len(bad):,} of {count(len(objects), noun)} cannot be put in any order"]
        violations = [
            (key, violation(model, initial, calls, found, most_states))
            for key, calls, found in bad[:_MOST_EXPLAINED]
        ]
        for key, found in violations:
            text += _explained(key or model.name, found, list(map(model.told, found.allowed)))
        told = [
            {
                "key": key,
                "placed": found.placed,
                "operation": found.last.index,
                "allowed": list(map(model.told, found.allowed)),
            }
            for key, found in violations
        ]
        proof = [operation.index for _, found in violations for operation in [found.last, *found.others]]
        return Check(
            NAME, "bad", "\n".join(text), tuple(dict.fromkeys(proof)), {**figures, "violations": told}
        )
    if undecided:
        text = [
            f"undecided for {len(undecided):,} of {count(len(objects), noun)}: more than {most_states:,} states"
        ]
        for key, open_ in undecided[:_MOST_EXPLAINED]:
            text.append(f"{key or model.name}: {count(open_.placed, 'operation')} could be ordered, not past")
            text += [f"  {line(call.operation)}" for call in open_.conflict]
        return Check(NAME, "inconclusive", "\n".join(text), (), figures)
    things = f"{count(len(operations), 'operation')} on {count(len(objects), noun)}"
    return Check(NAME, "ok", things, (), figures)


def _explained(key: str, found: Violation, answers: list[Any]) -> list[str]:
    so_far = "can be ordered, until this one ends" if found.certain else "had ended before this one"
    text = [
        f"{key}: {count(found.placed, 'operation')} {so_far}:",
        f"  {line(found.last)}",
    ]
    if found.others:
        text += [f"  with  {line(other)}" for other in found.others[:8]]
        if len(found.others) > 8:
            text.append(f"  and {len(found.others) - 8:,} more at the same time")
    if found.why:
        text.append(f"  because {found.why}")
    allowed = " or ".join(shown(answer) for answer in answers)
    text.append(f"  allowed: {allowed or 'nothing that it could have answered'}")
    return text
