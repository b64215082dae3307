"""Operations as the search needs them: hashable values, and what is known of each."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Set
from dataclasses import dataclass
from typing import Any

from skyrack.history import Operation

# What answers with what there is; one that leaves the state as it is does so wherever it is placed.
OBSERVING = {"read", "dequeue"}


@dataclass(slots=True, eq=False)
class Call:
    """One operation that happened (`required`) or may have.

    `value`: what it was asked with. `result`: what an observation answered, None for what only changes something and
    for answers that are not known. `alike`: equal for calls that do the same and saw the same.
    """

    operation: Operation
    f: str
    value: Any
    result: Any
    required: bool
    begin_s: float
    end_s: float
    alike: Hashable = None

    def __post_init__(self) -> None:
        self.alike = (self.f, self.value, self.result, self.required or self.f not in OBSERVING)

    def unanswered(self) -> Call:
        """The same before its answer came: it may have happened."""
        return Call(self.operation, self.f, self.value, None, False, self.begin_s, math.inf)


def frozen(value: Any) -> Any:
    """`value` of JSON, or sets by hand, as something that can be compared, hashed and kept."""
    if isinstance(value, list | tuple | Set):
        return tuple(frozen(item) for item in value)
    if isinstance(value, dict):
        return tuple(sorted((str(key), frozen(item)) for key, item in value.items()))
    return value


def calls_of(operations: Iterable[Operation], seen: Callable[[Any], Any] = frozen) -> list[Call]:
    """Calls in the order of their invocations; what failed never happened, and what an unknown read saw nobody knows.

    `seen` makes what an observation answered a value that can be compared and kept.
    """
    calls = []
    for operation in operations:
        required = operation.outcome == "ok"
        if not required and (operation.outcome == "fail" or operation.f == "read"):
            continue
        calls.append(
            Call(
                operation,
                operation.f,
                frozen(operation.value),
                seen(operation.result) if required and operation.f in OBSERVING else None,
                required,
                operation.invoked_s,
                operation.completed_s if required else math.inf,
            )
        )
    calls.sort(key=lambda call: (call.begin_s, call.operation.index))
    return calls
