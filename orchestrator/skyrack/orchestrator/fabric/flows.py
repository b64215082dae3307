"""Open-ended declared flows: so many bits a second from one node to another, in quanta, whatever becomes of them.

A flow of rate r sends one quantum of q bytes in each span of q x 8 / r seconds, at an instant of it that is drawn by the
seed: the rate is exact over time, and flows that began together do not stay together. Nothing is sent again. A flow with
a dark end, or without a way from its source, sends nothing; one that is cut off is lost at its source. All flows wait in a
heap of their own and have one event in the engine's, so that packets pay nothing for how many there are.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heapreplace

from skyrack.orchestrator.fabric.engine import NO_LINK, Engine
from skyrack.orchestrator.fabric.quantum import BEST_EFFORT, Quantum


@dataclass(frozen=True, slots=True)
class Flow:
    """Nodes, and bits per second."""

    src: int
    dst: int
    rate_bps: float


class Counted:
    """A flow and its bytes so far: of what was sent, `delivered` and `lost` have met their end."""

    __slots__ = ("delivered", "flow", "lost", "sent")

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.sent = self.delivered = self.lost = 0

    def arrived(self, t: float, size_bytes: int) -> None:
        """A quantum is at its destination."""
        self.delivered += size_bytes

    def dropped(self, t: float, size_bytes: int, *, queue_full: bool) -> None:
        """A quantum, or a part of it, was lost on the way."""
        self.lost += size_bytes


class Flows:
    """Sends `flows` from `at_s` on in quanta of `quantum_bytes`, until `stop`."""

    def __init__(
        self, engine: Engine, at_s: float, flows: Sequence[Flow], quantum_bytes: int, seed: str
    ) -> None:
        self._engine = engine
        self._quantum_bytes = quantum_bytes
        self._rng = random.Random(f"{seed}/flows")
        self.counted = [Counted(flow) for flow in flows]
        # When the next quantum is sent, which flow's, and when the span after its own begins.
        self._next = [self._turn(number, at_s) for number in range(len(flows))]
        heapify(self._next)
        self._running = bool(flows)
        if self._running:
            engine.at(self._next[0][0], self._send)

    def stop(self) -> None:
        """Send nothing any more; what is on its way arrives."""
        self._running = False

    def _turn(self, number: int, begins_s: float) -> tuple[float, int, float]:
        span_s = self._quantum_bytes * 8.0 / self.counted[number].flow.rate_bps
        return begins_s + self._rng.random() * span_s, number, begins_s + span_s

    def _send(self, t: float) -> None:
        if not self._running:
            return
        engine = self._engine
        due_s, number, ends_s = self._next[0]
        heapreplace(self._next, self._turn(number, ends_s))
        engine.at(self._next[0][0], self._send)
        counted = self.counted[number]
        src, dst = counted.flow.src, counted.flow.dst
        row = engine.rows[dst]
        if engine.lit[src] and engine.lit[dst] and engine.views[src][row + src] != NO_LINK:
            counted.sent += self._quantum_bytes
            engine.enter(due_s, src, Quantum(counted, dst, row, self._quantum_bytes, due_s, BEST_EFFORT))
