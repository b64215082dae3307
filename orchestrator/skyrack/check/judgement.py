"""What came of asking whether one object's calls can be put in an order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from skyrack.check.call import Call

Answer = Literal["ok", "bad", "inconclusive"]


@dataclass(frozen=True)
class Judgement:
    """`conflict`: calls that cannot all be placed, the last one of them being the one that is too much.

    `why`: in words. `states`: how many were looked at. `placed`: calls in the longest order that was found.
    `last`: the call that could not be passed, `allowed`: states in which the object may have been at its end.
    """

    answer: Answer
    conflict: Sequence[Call] = ()
    why: str = ""
    states: int = 0
    placed: int = 0
    allowed: Sequence[Any] = ()
