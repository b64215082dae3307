"""Packets the kernel dropped at `mesh0` because the fabric did not read them in time, counted where they were dropped.

A fabric that cannot keep up does not know it: what it never read it cannot count.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

INTERFACE = "mesh0"
_TX_DROPPED = 11


def tx_dropped(pid: int) -> int | None:
    """Drops on the way out of the network of process `pid` so far; None when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/net/dev").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, figures = line.partition(":")
        if name.strip() == INTERFACE:
            return int(figures.split()[_TX_DROPPED])
    return None


class TunDrops:
    """Adds up drops since the first look at each process; a node that comes back begins at zero again."""

    def __init__(self) -> None:
        self._first: dict[int, int] = {}
        self._last: dict[int, int] = {}

    def look(self, pids: Mapping[str, int]) -> int:
        """Read the counters of the processes that are there; returns the total so far."""
        for pid in pids.values():
            if (count := tx_dropped(pid)) is not None:
                self._first.setdefault(pid, count)
                self._last[pid] = count
        return sum(self._last[pid] - self._first[pid] for pid in self._last)
