"""Packets the kernel dropped at `mesh0` because the fabric did not read them in time, counted where they were dropped.

A fabric that cannot keep up does not know it: what it never read it cannot count.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

INTERFACE = "mesh0"
_TX_DROPPED = 11
_READ_BYTES = 1 << 16


def tx_dropped(net_dev: int) -> int | None:
    """Drops on the way out so far, from a descriptor of a network's /proc/net/dev; None when mesh0 is gone."""
    for line in os.pread(net_dev, _READ_BYTES, 0).decode().splitlines():
        name, _, figures = line.partition(":")
        if name.strip() == INTERFACE:
            return int(figures.split()[_TX_DROPPED])
    return None


@dataclass(slots=True)
class _Counter:
    net_dev: int
    first: int
    last: int


class TunDrops:
    """Adds up drops since each network was added; a node that comes back begins at zero again."""

    def __init__(self) -> None:
        self._counters: dict[str, _Counter] = {}
        self._before = 0

    def add(self, name: str, net_dev: int) -> None:
        """Count at this network of node `name` from now on. Owns the descriptor, which keeps the network in being."""
        self.remove(name)
        count = tx_dropped(net_dev) or 0
        self._counters[name] = _Counter(net_dev, count, count)

    def remove(self, name: str) -> None:
        """Let go of the network of `name`; what was counted there stays counted."""
        if (counter := self._counters.pop(name, None)) is not None:
            self._before += counter.last - counter.first
            os.close(counter.net_dev)

    def look(self) -> int:
        """Read all counters; returns the total so far."""
        for counter in self._counters.values():
            if (count := tx_dropped(counter.net_dev)) is not None:
                counter.last = count
        return self._before + sum(counter.last - counter.first for counter in self._counters.values())

    def close(self) -> None:
        """Let go of all networks."""
        for name in list(self._counters):
            self.remove(name)
