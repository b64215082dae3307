"""One operation of a history, from its invocation to its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Outcome = Literal["ok", "fail", "unknown"]


@dataclass(frozen=True, slots=True)
class Operation:
    """`process` asked for `f` on `key`; times are run time in seconds.

    `fail` definitely did not happen, `unknown` may have happened and may still happen at any time after its invocation:
    its `completed_s` is infinite. `value` is what was asked with, `result` what an `ok` answered.
    """

    index: int
    process: int
    node: str
    f: str
    key: str
    value: Any
    result: Any
    outcome: Outcome
    invoked_s: float
    completed_s: float
    intended_s: float
    error: str = ""

    @property
    def latency_s(self) -> float:
        """From the intended start, so that a client that was stuck does not hide the wait; infinite where unknown."""
        return self.completed_s - self.intended_s
