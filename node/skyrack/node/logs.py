"""JSON lines: one object per record with time, level, node, msg and fields."""

import asyncio
import json
import logging
import os
from datetime import UTC, datetime
from typing import Any

log = logging.getLogger("skyrack.node")


class LogFile:
    """Appends lines to a file. Lines that cannot be written are counted in `errors`, never raised:
    a full disk must not end a satellite."""

    def __init__(self, path: str | None) -> None:
        """Without `path`, standard error."""
        self.errors = 0
        self._torn = False
        try:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._fd = 2 if path is None else os.open(path, flags, 0o644)
        except OSError:
            self.errors += 1
            self._fd = -1

    def append(self, data: bytes, lines: int = 1) -> None:
        """Write whole lines, that many, at once."""
        if self._torn:
            data = b"\n" + data
        try:
            written = os.write(self._fd, data)
        except OSError:
            self.errors += lines
            return
        # A disk that fills up takes a part of the line; the next record then starts a fresh one.
        self._torn = written < len(data)
        self.errors += data.count(b"\n", written) if self._torn else 0

    def close(self) -> None:
        """Let go of the file, unless it is standard error."""
        if self._fd > 2:
            os.close(self._fd)
            self._fd = -1


class JsonLines(logging.Handler):
    """Appends records to the node's log."""

    def __init__(self, node: str, path: str | None) -> None:
        """Without `path`, to standard error."""
        super().__init__()
        self.file = LogFile(path)
        self._node = node

    def emit(self, record: logging.LogRecord) -> None:
        if _is_cancelled_call(record):
            return
        fields: dict[str, Any] = dict(getattr(record, "fields", {}))
        if record.exc_info and record.exc_info[0] is not None:
            fields["exception"] = logging.Formatter().formatException(record.exc_info)
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "node": self._node,
            "msg": record.getMessage(),
            "fields": fields,
        }
        self.file.append(json.dumps(line, default=str, ensure_ascii=False).encode(errors="replace") + b"\n")


def _is_cancelled_call(record: logging.LogRecord) -> bool:
    """Whether gRPC reports as an error that a call was cancelled, as happens to open streams at shutdown."""
    kind = record.exc_info[0] if record.exc_info else None
    return record.name.startswith("grpc") and kind is not None and issubclass(kind, asyncio.CancelledError)


def open_log(node: str, path: str | None) -> JsonLines:
    """Send all logging of this process to `path`, from level info on."""
    handler = JsonLines(node, path)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    return handler


def fields(**values: Any) -> dict[str, Any]:
    """The `extra` argument of a logging call: `log.info("attached", extra=fields(index=3))`."""
    return {"fields": values}
