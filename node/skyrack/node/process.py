"""Processes as /proc shows them."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Process:
    """What /proc/PID/stat says. `since`: when it began, in ticks. CPU time: its own, and that of children it waited for."""

    pid: int
    name: str
    state: str
    parent: int
    threads: int
    since: int
    own_s: float
    reaped_s: float
    resident_bytes: int

    @property
    def cpu_s(self) -> float:
        """Its CPU time and that of children it waited for."""
        return self.own_s + self.reaped_s

    @property
    def ended(self) -> bool:
        """Whether only its parent has to take notice of that."""
        return self.state in "ZX" and self.threads <= 1

    @property
    def stopped(self) -> bool:
        """Whether nothing of it runs. The first thread says nothing of the others: each stops, or ends, in its own time."""
        if self.state in "TtZX" and self.threads > 1:
            return all(state in "TtZX" for state in _thread_states(self.pid))
        return self.state in "TtZX"


def read_stat(text: str) -> Process:
    """A process from the text of its `stat`; its name may hold anything."""
    pid, _, rest = text.partition(" (")
    name, _, numbers = rest.rpartition(") ")
    fields = numbers.split()
    return Process(
        pid=int(pid),
        name=name,
        state=fields[0],
        parent=int(fields[1]),
        threads=int(fields[17]),
        since=int(fields[19]),
        own_s=(int(fields[11]) + int(fields[12])) / _TICKS_PER_S,
        reaped_s=(int(fields[13]) + int(fields[14])) / _TICKS_PER_S,
        resident_bytes=int(fields[21]) * _PAGE_BYTES,
    )


def read_text(path: str) -> str:
    """A file of /proc; empty when its process is gone, or nobody's to read."""
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _thread_states(pid: int) -> list[str]:
    with contextlib.suppress(OSError):
        texts = [read_text(f"/proc/{pid}/task/{tid}/stat") for tid in os.listdir(f"/proc/{pid}/task")]
        return [read_stat(text).state for text in texts if text]
    return []
