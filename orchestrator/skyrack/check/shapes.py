"""Whether operations are what the models take for granted, said before anything is judged."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import replace

from skyrack.check.truth import told_apart
from skyrack.check.words import shown
from skyrack.history import Operation


class CheckError(ValueError):
    """A history cannot be checked on this model; the message says which operation is in the way."""


def well_formed(operations: Iterable[Operation], model: str, functions: Collection[str]) -> list[Operation]:
    """The operations, unknown ones without an end whatever they say of one, with true that is not 1. Raises CheckError."""
    found = []
    for operation in operations:
        value, result = told_apart(operation.value), told_apart(operation.result)
        if value is not operation.value or result is not operation.result:
            operation = replace(operation, value=value, result=result)
        if wrong := _wrong(operation, model, functions):
            raise CheckError(f"operation {operation.index}: {wrong}")
        if operation.outcome == "unknown" and not math.isinf(operation.completed_s):
            operation = replace(operation, completed_s=math.inf)
        found.append(operation)
    return found


def _wrong(operation: Operation, model: str, functions: Collection[str]) -> str:
    f, value, result = operation.f, operation.value, operation.result
    if f not in functions:
        return f"model {model} has no {f!r}, but {', '.join(sorted(functions))}"
    if operation.outcome not in ("ok", "fail", "unknown"):
        return f"expected the outcome ok, fail or unknown, found {operation.outcome!r}"
    if operation.completed_s < operation.invoked_s:
        return f"it ends at {operation.completed_s} s, before it begins at {operation.invoked_s} s"
    if f == "cas" and not (isinstance(value, list | tuple) and len(value) == 2):
        return f"cas: expected the value [old, new], found {shown(value)}"
    if f == "transfer" and not _is_transfer(value):
        return f'transfer: expected the value {{"from", "to", "amount"}}, found {shown(value)}'
    if f == "read" and operation.outcome == "ok":
        if model in ("set", "append") and not (result is None or isinstance(result, list | tuple | Set)):
            return f"read: expected a list as its result, found {shown(result)}"
        if model == "bank" and not (
            isinstance(result, Mapping) and all(isinstance(balance, int) for balance in result.values())
        ):
            return f"read: expected {{account: balance}} as its result, found {shown(result)}"
    return ""


def _is_transfer(value: object) -> bool:
    return (
        isinstance(value, Mapping)
        and {"from", "to", "amount"} <= value.keys()
        and isinstance(value["amount"], int)
    )
