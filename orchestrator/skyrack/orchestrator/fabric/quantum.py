"""What a declared transfer sends: a train of packets that has bytes and no data.

It goes through the links like any train. Its `dst` is no node, so that the engine's hot path never takes it for a packet
that a kernel waits for: it ends where its route does, at `end`.
"""

from __future__ import annotations

from typing import Protocol

from skyrack.orchestrator.fabric.train import Train

SEGMENT_BYTES = 1500
COMPUTE, BEST_EFFORT = 0, 1
CLASS_NAMES = ("compute", "best-effort")
NOWHERE = -2
_TTL = 256


class Sender(Protocol):
    """Who hears what became of a quantum. Times are run seconds."""

    def arrived(self, t: float, size_bytes: int) -> None:
        """So much has arrived, the last of it at `t`."""

    def dropped(self, t: float, size_bytes: int, *, queue_full: bool) -> None:
        """So much was lost on the way, at `t`."""


class Quantum(Train):
    """Always at least two segments, so that the engine carries it as a train whatever its size."""

    __slots__ = ("end", "sender", "traffic_class")

    def __init__(
        self, sender: Sender, end: int, row: int, size_bytes: int, t: float, traffic_class: int
    ) -> None:
        self.sender = sender
        self.traffic_class = traffic_class
        self.end = end
        self.data = b""
        self.dst = NOWHERE
        self.row = row
        self.ttl = _TTL
        self.tail = t
        self.came_from = -1
        self.looped = False
        self.path = None
        self.headers = 0
        self.resize(size_bytes)

    def resize(self, size_bytes: int) -> None:
        """Make it `size_bytes` (1 or more) long."""
        self.wire = size_bytes
        self.segment = segment = min(SEGMENT_BYTES, -(-size_bytes // 2))
        self.segments = n = max(2, -(-size_bytes // segment))
        self.last = size_bytes - (n - 1) * segment
