"""Lists to which values are appended, and which are read whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from skyrack.check.call import Call, frozen
from skyrack.check.judgement import Judgement
from skyrack.check.list_checks import append_checks
from skyrack.check.model import ILLEGAL, Illegal
from skyrack.check.precedence import judged_by_reads
from skyrack.check.report import Check
from skyrack.history import Operation

_PER_STATE = 16  # values that count as one state


class Append:
    """State: the values, in the order in which they were appended."""

    name = "append"
    functions = frozenset({"append", "read"})
    per_key = True

    def initial(self, options: Mapping[str, Any]) -> tuple[Any, ...]:
        """Empty."""
        return ()

    def seen(self, result: Any) -> Any:
        """See Model; a list that is not there is an empty one."""
        return frozen(result or ())

    def step(self, state: tuple[Any, ...], call: Call) -> tuple[Any, ...] | Illegal:
        """See Model."""
        if call.f == "append":
            return (*state, call.value)
        return state if call.result == state else ILLEGAL

    def weight(self, state: tuple[Any, ...]) -> int:
        """See Model."""
        return 1 + len(state) // _PER_STATE

    def distance(self, state: tuple[Any, ...], call: Call) -> float:
        """See Model: far, if what is there is not what was seen."""
        return 0.0 if call.f != "read" or call.result[: len(state)] == state else 1.0

    def answer(self, state: tuple[Any, ...], call: Call) -> Any:
        """See Model."""
        return state

    def told(self, answer: Any) -> Any:
        """See Model."""
        return list(answer)

    def candidates(self, initial: Any, calls: Sequence[Call]) -> list[Any]:
        """See Model."""
        reads = [call.result for call in calls if call.f == "read"]
        reads.sort(key=len, reverse=True)
        longest = reads[0] if reads else ()
        missing = tuple(call.value for call in calls if call.f == "append" and call.value not in longest)
        more = [longest + missing[:count] for count in range(len(missing), 0, -1)]
        return list(dict.fromkeys([*more, *reads, ()]))

    def needed(self, calls: Sequence[Call]) -> list[Call]:
        """See Model: what is not in any read may not have been appended."""
        seen = {value for call in calls if call.f == "read" for value in call.result}
        return [call for call in calls if call.required or call.value in seen]

    def shortcut(self, initial: Any, calls: Sequence[Call]) -> Judgement | None:
        """See Model: where each value is appended once, the longest read has the order."""
        appends: dict[Any, Call] = {}
        reads: defaultdict[int, list[Call]] = defaultdict(list)
        longest: Call | None = None
        for call in calls:
            if call.f == "append":
                if call.value in appends:
                    return None
                appends[call.value] = call
                continue
            reads[len(call.result)].append(call)
            if longest is None or len(call.result) > len(longest.result):
                longest = call
        order: tuple[Any, ...] = longest.result if longest is not None else ()
        for length, of_length in reads.items():
            for call in of_length:
                if call.result != order[:length]:
                    assert longest is not None
                    return Judgement("bad", [longest, call], "neither of the lists begins with the other")
        if longest is not None:
            if strange := [value for value in order if value not in appends]:
                return Judgement("bad", [longest], f"{strange[0]!r} was never appended")
            if len(set(order)) < len(order):
                return Judgement("bad", [longest], "it has a value twice that was appended once")
        groups = [reads[0]]
        for position, value in enumerate(order, 1):
            groups += [[appends[value]], reads[position]]
        placed = set(order)
        groups.append([call for value, call in appends.items() if value not in placed])
        return judged_by_reads(groups, len(calls))

    def checks(self, operations: Sequence[Operation], options: Mapping[str, Any]) -> list[Check]:
        """Nothing acknowledged lost, each value once, reads that extend each other."""
        return append_checks(operations)


APPEND = Append()
