"""Sets to which values are added, and which are read whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from skyrack.check.call import Call, frozen
from skyrack.check.judgement import Judgement
from skyrack.check.list_checks import set_checks
from skyrack.check.model import ILLEGAL, Illegal
from skyrack.check.precedence import judged_by_reads
from skyrack.check.report import Check
from skyrack.history import Operation

_PER_STATE = 8  # values that count as one state


class Set:
    """State: the values in it."""

    name = "set"
    functions = frozenset({"add", "read"})
    per_key = True

    def initial(self, options: Mapping[str, Any]) -> frozenset[Any]:
        """Empty."""
        return frozenset()

    def seen(self, result: Any) -> Any:
        """See Model; a set that is not there is an empty one."""
        return frozenset(frozen(result or ()))

    def step(self, state: frozenset[Any], call: Call) -> frozenset[Any] | Illegal:
        """See Model."""
        if call.f == "add":
            return state if call.value in state else state | {call.value}
        return state if call.result == state else ILLEGAL

    def weight(self, state: frozenset[Any]) -> int:
        """See Model."""
        return 1 + len(state) // _PER_STATE

    def distance(self, state: frozenset[Any], call: Call) -> float:
        """See Model: far, if something is there that was not seen."""
        return 0.0 if call.f != "read" or state <= call.result else 1.0

    def answer(self, state: frozenset[Any], call: Call) -> Any:
        """See Model."""
        return state

    def told(self, answer: Any) -> Any:
        """See Model: numbers first, by size."""
        return sorted(
            answer, key=lambda one: (0, one, "") if isinstance(one, int | float) else (1, 0, repr(one))
        )

    def candidates(self, initial: Any, calls: Sequence[Call]) -> list[Any]:
        """See Model."""
        reads = sorted({call.result for call in calls if call.f == "read"}, key=len, reverse=True)
        largest = reads[0] if reads else frozenset()
        added = [call.value for call in calls if call.f == "add" and call.value not in largest]
        more = [largest | set(added[:count]) for count in range(len(added), 0, -1)]
        return list(dict.fromkeys([*more, *reads, frozenset()]))

    def needed(self, calls: Sequence[Call]) -> list[Call]:
        """See Model: what is not in any read may not have been added."""
        seen: set[Any] = set()
        for call in calls:
            if call.f == "read":
                seen |= call.result
        return [call for call in calls if call.required or call.value in seen]

    def shortcut(self, initial: Any, calls: Sequence[Call]) -> Judgement | None:
        """See Model: where each value is added once, the sizes of what was read give the order."""
        adds: dict[Any, Call] = {}
        reads: dict[frozenset[Any], list[Call]] = {}
        for call in calls:
            if call.f == "read":
                reads.setdefault(call.result, []).append(call)
            elif call.value in adds:
                return None
            else:
                adds[call.value] = call
        groups: list[list[Call]] = []
        before: frozenset[Any] = frozenset()
        for values in sorted(reads, key=len):
            if not before <= values:
                pair = [reads[before][0], reads[values][0]]
                return Judgement("bad", pair, "each of them lacks something that the other has")
            new = values - before
            if strange := [value for value in new if value not in adds]:
                return Judgement("bad", [reads[values][0]], f"{strange[0]!r} was never added")
            groups += [[adds[value] for value in new], reads[values]]
            before = values
        groups.append([call for value, call in adds.items() if value not in before])
        return judged_by_reads(groups, len(calls))

    def checks(self, operations: Sequence[Operation], options: Mapping[str, Any]) -> list[Check]:
        """Nothing acknowledged lost, nothing from nowhere, reads that only grow."""
        return set_checks(operations)


SET = Set()
