"""Operations in words."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

from skyrack.check.truth import Truth
from skyrack.history import Operation

_MOST_SHOWN = 70  # characters of a value


def shown(value: Any) -> str:
    """A value, cut where it is long."""
    text = json.dumps(value, default=_as_json)
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 20]} ... {text[-15:]}"


def _as_json(value: Any) -> Any:
    return value.value if isinstance(value, Truth) else str(value)


def what(operation: Operation) -> str:
    """`write x 5`, `read x -> 5`, `cas x 4 -> 5`, `enqueue q 3`."""
    f, key = operation.f, f" {operation.key}" if operation.key else ""
    if f == "cas":
        old, new = operation.value
        return f"cas{key} {shown(old)} -> {shown(new)}"
    asked = "" if operation.value is None else f" {shown(operation.value)}"
    answered = f"{f}{key}{asked}"
    if f in ("read", "dequeue") and operation.outcome == "ok":
        return f"{f}{key} -> {shown(operation.result)}"
    return answered


def line(operation: Operation) -> str:
    """One operation with who, where and when: `#17  write x 5  by process 3 at london, 2.104-2.221 s, ok`."""
    end = "" if math.isinf(operation.completed_s) else f"{operation.completed_s:.3f}"
    where = f" at {operation.node}" if operation.node else ""
    return (
        f"#{operation.index}  {what(operation)}  by process {operation.process}{where}, "
        f"{operation.invoked_s:.3f}-{end} s, {operation.outcome}"
    )


def lines(operations: Iterable[Operation], most: int = 8) -> list[str]:
    """The first `most` of them, and how many more there are."""
    listed = list(operations)
    more = [f"and {len(listed) - most:,} more"] if len(listed) > most else []
    return [line(operation) for operation in listed[:most]] + more


def count(number: int, thing: str) -> str:
    """`1 write`, `2,000 writes`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
