"""First-in first-out queues: each value that is taken is the one that has been there longest; None where there is none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from skyrack.check.call import Call, frozen
from skyrack.check.fifo import fifo_conflict
from skyrack.check.judgement import Judgement
from skyrack.check.model import ILLEGAL, Illegal
from skyrack.check.queue_checks import queue_checks
from skyrack.check.report import Check
from skyrack.history import Operation

_PER_STATE = 16  # values that count as one state


class Queue:
    """State: the values in it, the oldest first."""

    name = "queue"
    functions = frozenset({"enqueue", "dequeue"})
    per_key = True

    def initial(self, options: Mapping[str, Any]) -> tuple[Any, ...]:
        """Empty."""
        return ()

    def seen(self, result: Any) -> Any:
        """See Model."""
        return frozen(result)

    def step(self, state: tuple[Any, ...], call: Call) -> tuple[Any, ...] | Illegal:
        """See Model."""
        if call.f == "enqueue":
            return (*state, call.value)
        if not call.required:
            return state[1:] if state else state
        if call.result is None:
            return ILLEGAL if state else state
        return state[1:] if state and state[0] == call.result else ILLEGAL

    def weight(self, state: tuple[Any, ...]) -> int:
        """See Model."""
        return 1 + len(state) // _PER_STATE

    def answer(self, state: tuple[Any, ...], call: Call) -> Any:
        """See Model."""
        return state[0] if state else None

    def told(self, answer: Any) -> Any:
        """See Model."""
        return answer

    def candidates(self, initial: Any, calls: Sequence[Call]) -> list[Any]:
        """See Model."""
        taken = Counter(call.result for call in calls if call.f == "dequeue")
        left = [call.value for call in calls if call.f == "enqueue" and not taken[call.value]]
        return [*left, None]

    def distance(self, state: tuple[Any, ...], call: Call) -> float:
        """See Model."""
        return 1.0 if self.step(state, call) is ILLEGAL else 0.0

    def needed(self, calls: Sequence[Call]) -> list[Call]:
        """See Model: what an unknown enqueue brought and nobody took, nobody saw."""
        taken = {call.result for call in calls if call.f == "dequeue"}
        return [call for call in calls if call.required or call.f == "dequeue" or call.value in taken]

    def shortcut(self, initial: Any, calls: Sequence[Call]) -> Judgement | None:
        """See Model: where each value is enqueued once."""
        return fifo_conflict(calls)

    def checks(self, operations: Sequence[Operation], options: Mapping[str, Any]) -> list[Check]:
        """Exactly once, nothing acknowledged lost."""
        return queue_checks(operations)


QUEUE = Queue()
