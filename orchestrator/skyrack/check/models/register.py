"""Registers: a value that is read, written, and replaced if it is what one thinks; `kv` has one per key and deletes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from skyrack.check.call import Call, frozen
from skyrack.check.judgement import Judgement
from skyrack.check.lost_writes import lost_writes
from skyrack.check.model import ILLEGAL, Illegal
from skyrack.check.report import Check
from skyrack.check.sessions import session_checks
from skyrack.check.zones import conflict, values_differ, written_by
from skyrack.history import Operation


class Register:
    """State: the value, None where there is none."""

    per_key = True

    def __init__(self, name: str, functions: frozenset[str]) -> None:
        self.name = name
        self.functions = functions

    def initial(self, options: Mapping[str, Any]) -> None:
        """Nothing has been written."""

    def seen(self, result: Any) -> Any:
        """See Model."""
        return frozen(result)

    def step(self, state: Any, call: Call) -> Any | Illegal:
        """See Model."""
        if call.f == "read":
            return state if call.result == state else ILLEGAL
        if call.f == "cas":
            old, new = call.value
            if old != state:
                return ILLEGAL
        else:
            new = call.value if call.f == "write" else None
        return state if new == state else new

    def weight(self, state: Any) -> int:
        """See Model."""
        return 1

    def candidates(self, initial: Any, calls: Sequence[Call]) -> list[Any]:
        """See Model."""
        written = [written_by(call) for call in reversed(calls) if call.f != "read"]
        return list(dict.fromkeys([*written, initial]))

    def distance(self, state: Any, call: Call) -> float:
        """See Model."""
        return 1.0 if self.step(state, call) is ILLEGAL else 0.0

    def answer(self, state: Any, call: Call) -> Any:
        """See Model."""
        return state

    def told(self, answer: Any) -> Any:
        """See Model."""
        return answer

    def needed(self, calls: Sequence[Call]) -> list[Call]:
        """See Model: a write that nobody saw only hides what was there before it."""
        seen = {call.result for call in calls if call.f == "read"}
        seen |= {call.value[0] for call in calls if call.f == "cas" and call.required}
        by_new: defaultdict[Any, list[Any]] = defaultdict(list)
        for call in calls:
            if call.f == "cas" and not call.required:
                by_new[call.value[1]].append(call.value[0])
        more = [value for value in by_new if value in seen]
        while more:
            for old in by_new.pop(more.pop(), ()):
                seen.add(old)
                if old in by_new:
                    more.append(old)
        return [call for call in calls if call.required or written_by(call) in seen]

    def shortcut(self, initial: Any, calls: Sequence[Call]) -> Judgement | None:
        """See Model: where each value is written once."""
        if not values_differ(initial, calls):
            return None
        found = conflict(initial, calls)
        if found is None:
            return Judgement("ok", placed=len(calls))
        return Judgement("bad", found.calls, found.why)

    def checks(self, operations: Sequence[Operation], options: Mapping[str, Any]) -> list[Check]:
        """No acknowledged write lost, monotonic reads, read your writes."""
        return [lost_writes(operations), *session_checks(operations)]


REGISTER = Register("register", frozenset({"read", "write", "cas"}))
KV = Register("kv", frozenset({"read", "write", "cas", "delete"}))
