"""Histories from disk: joined, checked line by line, and read even when their writer was killed."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from sys import intern
from types import TracebackType
from typing import Any, BinaryIO

from skyrack.history.header import Header, HistoryError
from skyrack.history.operation import Operation, Outcome

OUTCOMES: dict[str, Outcome] = {"ok": "ok", "fail": "fail", "unknown": "unknown"}
NO_END = "its end is not on file"
_MOST_SHOWN = 60  # characters of a line that is not understood
_INVOKE = {
    "op": int, "process": int, "node": str, "f": str, "key": str, "time_s": (int, float), "intended_s": (int, float),
}  # fmt: skip
_END = {"op": int, "process": int, "f": str, "key": str, "time_s": (int, float)}


@dataclass(frozen=True)
class History:
    """`operations` in the order of their numbers.

    `cut_short`: nobody ended it (its generator was killed, its disk was full); operations without an end are `unknown`.
    `torn`: its last line was incomplete and is left out.
    """

    header: Header
    operations: Sequence[Operation]
    cut_short: bool = False
    torn: bool = False
    path: Path | None = None


class HistoryReader:
    """Gives operations as soon as they have ended, then those that never did: holds what is under way and no more.

    As a context manager. `header` is there from the start, `cut_short` and `torn` when it has been read to its end.
    Raises HistoryError, which names file and line, for whatever is not a history.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cut_short = True
        self.torn = False
        self._number = 0
        try:
            self._file: BinaryIO = path.open("rb")
        except OSError as error:
            raise HistoryError(f"cannot read {path}: {error.strerror}") from error
        try:
            first = self._record(next(self._file, b""))
            if first is None:
                raise self._wrong("expected the header", "nothing more than a part of a line")
            try:
                self.header = Header.of(first)
            except ValueError as error:
                raise HistoryError(f"{path}:1: {error}") from error
        except HistoryError:
            self._file.close()
            raise

    def __enter__(self) -> HistoryReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Operation]:
        under_way: dict[int, dict[str, Any]] = {}
        busy: dict[int, int] = {}  # the operation of a process; retired processes keep theirs
        invoked = 0
        for line in self._file:
            record = self._record(line)
            if record is None:
                break
            if not self.cut_short:
                raise self._wrong("expected nothing after the end", _shown(line))
            kind = record.get("type")
            if kind == "invoke":
                self._typed(record, _INVOKE)
                op, process = record["op"], record["process"]
                if op != invoked:
                    raise self._wrong(f"expected operation {invoked}, the next one", f"operation {op}")
                if process in busy:
                    raise self._wrong(
                        f"process {process} asks for operation {op}",
                        f"it has operation {busy[process]} under way, or unknown, which retires it",
                    )
                invoked += 1
                busy[process] = op
                under_way[op] = record
            elif kind in OUTCOMES:
                self._typed(record, _END)
                op = record["op"]
                invocation = under_way.pop(op, None)
                if invocation is None:
                    raise self._wrong(f"operation {op} ends", "no invocation, or an end before this one")
                for name in ("process", "f", "key"):
                    if record[name] != invocation[name]:
                        raise self._wrong(
                            f"operation {op} was invoked with {name} {invocation[name]!r}", repr(record[name])
                        )
                if record["time_s"] < invocation["time_s"]:
                    raise self._wrong(
                        f"operation {op} was invoked at {invocation['time_s']} s",
                        f"an end before that, at {record['time_s']} s",
                    )
                if kind != "unknown":
                    del busy[record["process"]]
                yield _joined(invocation, record)
            elif record.get("end") is True:
                if record.get("operations") != invoked:
                    raise self._wrong(f"{invoked} operations before the end", repr(record.get("operations")))
                self.cut_short = False
            else:
                raise self._wrong("expected an invoke, ok, fail, unknown or the end", _shown(line))
        for invocation in under_way.values():
            yield _joined(invocation, None)

    def _record(self, line: bytes) -> dict[str, Any] | None:
        """One line; None where the file ends within it."""
        self._number += 1
        if not line:
            raise self._wrong("expected the header", "an empty file")
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            if not line.endswith(b"\n"):
                self.torn = True
                return None
            raise self._wrong("expected a JSON object", f"{_shown(line)} ({_why(error)})") from error
        if not isinstance(record, dict):
            raise self._wrong("expected a JSON object", _shown(line))
        return record

    def _typed(self, record: dict[str, Any], fields: dict[str, Any]) -> None:
        for name, kind in fields.items():
            value = record.get(name)
            if not isinstance(value, kind) or isinstance(value, bool) or _endless(value):
                expected = {int: "an integer", str: "a text"}.get(kind, "a number")
                found = repr(value) if name in record else "nothing"
                raise self._wrong(f"{name}: expected {expected}", found)

    def _wrong(self, expected: str, found: str) -> HistoryError:
        return HistoryError(f"{self.path}:{self._number}: {expected}; found {found}")


def read_history(path: Path) -> History:
    """The whole history. Raises HistoryError."""
    with HistoryReader(path) as reader:
        operations = sorted(reader, key=lambda operation: operation.index)
        return History(reader.header, operations, reader.cut_short, reader.torn, path)


def _joined(invocation: dict[str, Any], end: dict[str, Any] | None) -> Operation:
    outcome: Outcome = "unknown" if end is None else OUTCOMES[end["type"]]
    return Operation(
        index=invocation["op"],
        process=invocation["process"],
        node=intern(invocation["node"]),
        f=intern(invocation["f"]),
        key=intern(invocation["key"]),
        value=invocation.get("value"),
        result=end.get("value") if end is not None and outcome == "ok" else None,
        outcome=outcome,
        invoked_s=float(invocation["time_s"]),
        completed_s=math.inf if end is None or outcome == "unknown" else float(end["time_s"]),
        intended_s=float(invocation["intended_s"]),
        error=NO_END if end is None else str(end.get("error", "")),
    )


def _endless(value: object) -> bool:
    """NaN and Infinity are no JSON, and json.loads takes them."""
    return isinstance(value, float) and not math.isfinite(value)


def _why(error: ValueError | RecursionError) -> str:
    """What is wrong with a line, and where in it."""
    match error:
        case json.JSONDecodeError():
            return f"column {error.pos + 1}: {error.msg}"
        case UnicodeDecodeError():
            return f"byte {error.start + 1}: no UTF-8"
        case _:
            return "nested too deeply"


def _shown(line: bytes) -> str:
    text = line.decode(errors="backslashreplace").strip()
    return repr(text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "...")
