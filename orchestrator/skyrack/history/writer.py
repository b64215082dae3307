"""Histories go to disk line by line: an operation is on file before it is sent, its end as soon as it is known."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from skyrack.history.header import Header, HistoryError


@dataclass(frozen=True, slots=True)
class _Pending:
    process: int
    node: str
    f: str
    key: str
    value: Any


class HistoryWriter:
    """Writes one history. Not for use by several threads at once.

    The first line that cannot be written (a full disk, most likely) raises HistoryError, and so does every later
    `invoke`: an operation that is not on file must not be sent. Ends of operations that were under way then are only
    counted (`lost`): they stay `unknown` on file. What was written stays, whole lines only.

    `operations`: invocations on file. `error`: what went wrong, once it has.
    """

    def __init__(self, path: Path, header: Header) -> None:
        self.path = path
        self.operations = 0
        self.lost = 0
        self.error: str | None = None
        self._pending: dict[int, _Pending] = {}
        self._bytes = 0
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            self._descriptor = os.open(path, flags, 0o644)
        except OSError as error:
            raise HistoryError(f"cannot write {path}: {error.strerror}") from error
        try:
            self._append(header.record())
        except HistoryError:
            os.close(self._descriptor)
            raise

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
        """Put an operation on file that is about to be sent; its number. `intended_s`: when it should have been."""
        if self.error is not None:
            raise HistoryError(self.error)
        op = self.operations
        pending = _Pending(process, node, f, key, value)
        intended_s = time_s if intended_s is None else intended_s
        self._append(_line("invoke", op, pending, value, time_s, intended_s=round(intended_s, 6)))
        self.operations += 1
        self._pending[op] = pending
        return op

    def ok(self, op: int, result: Any = None, *, time_s: float) -> None:
        """It happened; `result` is what a read or a dequeue answered, nothing for what only changes something."""
        pending = self._pending.pop(op)
        self._end(_line("ok", op, pending, pending.value if result is None else result, time_s))

    def fail(self, op: int, error: str = "", *, time_s: float) -> None:
        """It definitely did not happen; no `error` where that is the service's own answer (see Operation)."""
        pending = self._pending.pop(op)
        self._end(_line("fail", op, pending, pending.value, time_s, error=error))

    def unknown(self, op: int, error: str, *, time_s: float) -> None:
        """It may have happened and may still happen. Its process asks for nothing more."""
        pending = self._pending.pop(op)
        self._end(_line("unknown", op, pending, pending.value, time_s, error=error))

    def close(self, *, ended: bool = True) -> None:
        """Close the file; `ended`: say first that the history is whole."""
        if ended and self.error is None:
            with contextlib.suppress(HistoryError):
                self._append({"end": True, "operations": self.operations})
        os.close(self._descriptor)

    def __enter__(self) -> HistoryWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(ended=kind is None)

    def _end(self, record: dict[str, Any]) -> None:
        if self.error is not None:
            self.lost += 1
            return
        try:
            self._append(record)
        except HistoryError:
            self.lost += 1
            raise

    def _append(self, record: dict[str, Any]) -> None:
        data = (json.dumps(record, separators=(", ", ": ")) + "\n").encode()
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            # Giving bytes back works on a full disk.
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._bytes)
            self.error = (
                f"cannot write {self.path}: {error.strerror}; {self.operations:,} operations are on file"
            )
            raise HistoryError(self.error) from error
        self._bytes += len(data)


def _line(kind: str, op: int, pending: _Pending, value: Any, time_s: float, **more: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "op": op,
        "process": pending.process,
        "node": pending.node,
        "f": pending.f,
        "key": pending.key,
        "value": value,
        "time_s": round(time_s, 6),
        **more,
    }
