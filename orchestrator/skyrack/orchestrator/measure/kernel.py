"""The kernel's figures about the host's CPU, and how two readings make a window."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from skyrack.orchestrator.measure.host import Window
from skyrack.orchestrator.measure.stats import quantile

_PROC = Path("/proc")
_IDLE, _IOWAIT, _STEAL = 3, 4, 7
_COUNTED = 8  # guest time is part of user time


@dataclass(frozen=True, slots=True)
class Reading:
    """Cumulative figures at run time `at_s`: ticks of /proc/stat, stall time, run delay per watched process."""

    at_s: float
    ticks: tuple[int, ...]
    stall_us: int | None
    waits_ns: Mapping[str, int]


def read(at_s: float, watched: Mapping[str, int]) -> Reading:
    """Read the kernel's files now; `watched`: name -> descriptor of a schedstat. A process that is gone is left out."""
    first = (_PROC / "stat").read_text().partition("\n")[0]
    waits = {name: delay for name, fd in watched.items() if (delay := _run_delay_ns(fd)) is not None}
    return Reading(at_s, tuple(int(word) for word in first.split()[1 : 1 + _COUNTED]), _stall_us(), waits)


def window(before: Reading, after: Reading, lateness_s: Sequence[float]) -> Window:
    """The window between two readings, with the canary's lateness in it."""
    ticks = [b - a for a, b in zip(before.ticks, after.ticks, strict=True)]
    total = max(1, sum(ticks))
    elapsed_s = after.at_s - before.at_s
    pressure = None
    if before.stall_us is not None and after.stall_us is not None:
        pressure = (after.stall_us - before.stall_us) / 1e6 / elapsed_s
    waits = {
        name: (delay - before.waits_ns[name]) / 1e9 / elapsed_s
        for name, delay in after.waits_ns.items()
        if name in before.waits_ns
    }
    return Window(
        start_s=before.at_s,
        end_s=after.at_s,
        steal_ratio=ticks[_STEAL] / total,
        idle_ratio=(ticks[_IDLE] + ticks[_IOWAIT]) / total,
        canary_p50_s=quantile(lateness_s, 0.5) or 0.0,
        canary_p99_s=quantile(lateness_s, 0.99) or 0.0,
        canary_max_s=max(lateness_s, default=0.0),
        pressure_ratio=pressure,
        waits_ratio=waits,
    )


def _stall_us() -> int | None:
    try:
        some = (_PROC / "pressure" / "cpu").read_text().partition("\n")[0]
    except OSError:  # built without PSI, or switched off (psi=0)
        return None
    return int(some.rpartition("total=")[2])


def _run_delay_ns(schedstat: int) -> int | None:
    """Time the thread of `schedstat` was runnable and waited: the fabric and the nodes do their work in one."""
    try:
        return int(os.pread(schedstat, 128, 0).split()[1])
    except (OSError, IndexError):
        return None
