"""A history that is written, and whose operations the caller is told of when they have ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from skyrack.history import Outcome
from skyrack.workloads.coordinator import Record


class Told:
    """Passes every call on to `record`, and every end to `tell` with what an evaluation needs of the operation."""

    def __init__(self, record: Record, tell: Callable[[Mapping[str, Any]], None]) -> None:
        self._record = record
        self._tell = tell
        self._out: dict[int, dict[str, Any]] = {}

    def invoke(
        self,
        process: int,
        node: str,
        f: str,
        key: str = "",
        value: Any = None,
        *,
        time_s: float,
        intended_s: float | None = None,
    ) -> int:
        op = self._record.invoke(process, node, f, key, value, time_s=time_s, intended_s=intended_s)
        begun_s = time_s if intended_s is None else intended_s
        self._out[op] = {"op": op, "node": node, "f": f, "key": key, "intended_s": round(begun_s, 6)}
        return op

    def ok(self, op: int, result: Any = None, *, time_s: float) -> None:
        self._record.ok(op, result, time_s=time_s)
        self._ended(op, "ok", "", time_s)

    def fail(self, op: int, error: str = "", *, time_s: float) -> None:
        self._record.fail(op, error, time_s=time_s)
        self._ended(op, "fail", error, time_s)

    def unknown(self, op: int, error: str, *, time_s: float) -> None:
        self._record.unknown(op, error, time_s=time_s)
        self._ended(op, "unknown", error, time_s)

    def _ended(self, op: int, outcome: Outcome, error: str, time_s: float) -> None:
        self._tell({**self._out.pop(op), "type": outcome, "error": error, "complete_s": round(time_s, 6)})
