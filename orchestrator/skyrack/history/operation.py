"""One operation of a history, from its invocation to its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Outcome = Literal["ok", "fail", "unknown"]


@dataclass(frozen=True, slots=True)
class Operation:
    """`process` asked for `f` on `key`; times are run time in seconds.

    `fail` definitely did not happen, `unknown` may have happened and may still happen at any time after its invocation:
    its `completed_s` is infinite. `value` is what was asked with, `result` what an `ok` answered. A `fail` without an
    `error` is the service's own no (a compare that did not match, an account without enough), not a failure of it.
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
    def answered(self) -> bool:
        """Whether the service did its work: it said yes, or no for a reason of its own."""
        return self.outcome == "ok" or (self.outcome == "fail" and not self.error)

    @property
    def latency_s(self) -> float:
        """From the intended start, so that a client that was stuck does not hide the wait; infinite where unknown."""
        return self.completed_s - self.intended_s
