"""Promises that are broken by pairs of operations: what was done, and what shows that it does not hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from skyrack.check.report import Check
from skyrack.check.words import line
from skyrack.history import Operation

Pair = tuple[Operation, Operation]


def broken(
    name: str,
    headline: str,
    pairs: Sequence[Pair],
    relation: str,
    figures: Mapping[str, Any],
    *,
    most: int = 5,
    also: Callable[[Sequence[Operation]], str] | None = None,
) -> Check:
    """A check that is bad: the first `most` pairs in words, `relation` between their operations.

    `also`: what to say of the first operations of the others.
    """
    text = [headline]
    for one, other in pairs[:most]:
        text += [line(one), f"  {relation}  {line(other)}"]
    if len(pairs) > most and also is not None:
        text.append(also([one for one, _ in pairs[most:]]))
    proof = dict.fromkeys(operation.index for pair in pairs for operation in pair)
    return Check(name, "bad", "\n".join(text), tuple(proof), figures)
