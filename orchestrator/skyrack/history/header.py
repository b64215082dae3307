"""The first line of a history: what was run, on what model it is to be judged, and with which options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

VERSION = 1


class HistoryError(Exception):
    """A history cannot be written or read; the message names the file and, where one is to blame, the line."""


@dataclass(frozen=True)
class Header:
    """`start` is UTC in ISO 8601, the instant of run time 0; `options` are the workload's own."""

    workload: str
    model: str
    run: str = ""
    seed: int = 0
    start: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """As it is on file."""
        return {"history": VERSION, **asdict(self)}

    @classmethod
    def of(cls, record: Any) -> Header:
        """From what is on file. Raises ValueError, which says what was found and what was expected."""
        if not isinstance(record, dict) or "history" not in record:
            raise ValueError('expected the header, {"history": 1, "workload": ...}')
        if record["history"] != VERSION:
            raise ValueError(
                f"written in version {record['history']!r} of the format, this program reads {VERSION}"
            )
        for key, kind in (("workload", str), ("model", str), ("run", str), ("seed", int), ("start", str)):
            if not isinstance(record.get(key, kind()), kind):
                raise ValueError(f"{key}: found {record[key]!r}, expected {kind.__name__}")
        if not isinstance(record.get("options", {}), dict):
            raise ValueError(f"options: found {record['options']!r}, expected an object")
        known = {key: record[key] for key in cls.__dataclass_fields__ if key in record}
        if missing := [key for key in ("workload", "model") if key not in known]:
            raise ValueError(f"the header has no {' and no '.join(missing)}")
        return cls(**known)
