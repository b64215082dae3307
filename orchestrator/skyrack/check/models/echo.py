"""What is sent comes back: nothing is remembered, so any order will do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from skyrack.check.call import Call, frozen
from skyrack.check.judgement import Judgement
from skyrack.check.model import ILLEGAL, Illegal
from skyrack.check.report import Check
from skyrack.history import Operation


class Echo:
    """State: none."""

    name = "echo"
    functions = frozenset({"echo"})
    per_key = False

    def initial(self, options: Mapping[str, Any]) -> None:
        """See Model."""

    def seen(self, result: Any) -> Any:
        """See Model."""
        return frozen(result)

    def step(self, state: None, call: Call) -> Illegal | None:
        """See Model."""
        return ILLEGAL if _is_wrong(call) else None

    def weight(self, state: None) -> int:
        """See Model."""
        return 1

    def distance(self, state: None, call: Call) -> float:
        """See Model."""
        return 0.0

    def answer(self, state: None, call: Call) -> Any:
        """See Model."""
        return call.value

    def told(self, answer: Any) -> Any:
        """See Model."""
        return answer

    def candidates(self, initial: Any, calls: Sequence[Call]) -> list[Any]:
        """See Model."""
        return []

    def needed(self, calls: Sequence[Call]) -> list[Call]:
        """See Model."""
        return [call for call in calls if call.required]

    def shortcut(self, initial: Any, calls: Sequence[Call]) -> Judgement:
        """See Model: each call by itself."""
        wrong = [call for call in calls if _is_wrong(call)]
        if not wrong:
            return Judgement("ok", placed=len(calls))
        return Judgement("bad", wrong[:1], "something else came back than was sent")

    def checks(self, operations: Sequence[Operation], options: Mapping[str, Any]) -> list[Check]:
        """Nothing else."""
        return []


def _is_wrong(call: Call) -> bool:
    return call.required and call.operation.result != call.operation.value


ECHO = Echo()
