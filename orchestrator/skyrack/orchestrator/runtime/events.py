"""What happened, in order: events.jsonl in the run directory and the newest ones in memory for the API."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from skyrack.orchestrator.clock import Clock

KEPT = 10_000
# Counted from zero, so that the first one is an increase for Prometheus; others are counted from their first.
FORESEEN = (
    "ready", "all_serving", "node_serving", "node_exited", "node_failed", "node_signalled", "node_watchdog", "node_lit",
    "node_dark",
    "fabric_down", "fabric_up", "fabric_failed", "broker_down", "broker_up", "entry_down", "entry_up",
    "orchestrator_restarted", "handover",
    "plan_failed", "fault_began", "fault_effect", "fault_undone", "fault_failed", "fault_ended",
    "fault_resumed", "fault_stage", "fault_mended", "occurrences_skipped", "flight_throttle", "convergence",
    "transfer_started", "transfer_finished", "events_lost",
    "bundle_routed", "bundle_stored", "bundle_stranded", "contact_missed",
    "service_ready", "service_unready", "service_ended", "service_finished", "service_failed", "service_added",
    "service_removed", "service_restarted", "service_changed", "service_drained", "service_stopped",
    "service_container", "node_drained", "node_undrained", "flight_mode",
)  # fmt: skip


class EventLog:
    """Appends events, after those that an earlier process of the run has written.

    A full disk costs the file its newest lines, never the run: it is said once, and counted.

    `counts`: this process's events by name. `lost`: those that could not be written.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock = clock
        self._path = path
        self._file: int | None = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._recent: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._recent.extend(_written(path))
        self._sequence = self._recent[-1]["seq"] if self._recent else 0
        self._listeners: list[Callable[[dict[str, Any]], None]] = []
        self.counts = dict.fromkeys(FORESEEN, 0)
        self.lost = 0

    def listen(self, listener: Callable[[dict[str, Any]], None]) -> None:
        """Call `listener` with every later event."""
        self._listeners.append(listener)

    def forget(self, listener: Callable[[dict[str, Any]], None]) -> None:
        """Call `listener` no more."""
        self._listeners.remove(listener)

    def add(self, event: str, *, run_s: float | None = None, **fields: Any) -> dict[str, Any]:
        """Record an event that happened at `run_s` (now, if not given)."""
        self._sequence += 1
        at = self._clock.run_s() if run_s is None else run_s
        record = {"seq": self._sequence, "run_s": round(at, 6), "event": event, **fields}
        self._recent.append(record)
        self.counts[event] = self.counts.get(event, 0) + 1
        lost = self._write(record)  # who is told of it finds it in the file
        for listener in list(self._listeners):
            listener(record)
        if lost:
            self.lost += 1
            if self.lost == 1:
                self.add("events_lost", error=f"{self._path}: {lost}")
        return record

    def since(self, sequence: int) -> list[dict[str, Any]]:
        """Events after number `sequence`, oldest first; at most the newest KEPT."""
        return [record for record in self._recent if record["seq"] > sequence]

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write(self, record: dict[str, Any]) -> str:
        """Why it could not be written; empty when it was."""
        if self._file is None:
            return ""
        data = json.dumps(record).encode() + b"\n"
        try:
            written = os.write(self._file, data)
            if written < len(data):  # the disk filled up on the way: no half lines
                os.ftruncate(self._file, os.fstat(self._file).st_size - written)
                return os.strerror(errno.ENOSPC)
        except OSError as error:
            return error.strerror or str(error)
        return ""


def _written(path: Path) -> list[dict[str, Any]]:
    """Events in the file, but for lines that a kill or a full disk has cut."""
    records: list[dict[str, Any]] = []
    for line in path.read_text(errors="replace").splitlines():
        with contextlib.suppress(ValueError):
            record = json.loads(line)
            if isinstance(record, dict) and isinstance(record.get("seq"), int):
                records.append(record)
    return records
