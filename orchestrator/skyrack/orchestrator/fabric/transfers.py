"""The sender and the receiver of one declared transfer, in virtual time.

    source --quantum--quantum--quantum--> links, as trains --> destination
       ^                                                            |
       '---- what arrived or was lost, one way's delay later -------'

The source looks at the way in force every millisecond and sends at the rate of its slowest link, so that an idle way takes
size / rate + delay. Its window is what fills the way and WINDOW_QUANTA more. A full queue halves it, at most once per round
trip, and every window that arrives adds a quantum. Lost bytes are sent again. Acknowledgements cost no bytes. While the
ends are cut off from each other, in either direction, nothing is sent, and then it goes on.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from skyrack.orchestrator.fabric.engine import NO_LINK, Engine
from skyrack.orchestrator.fabric.quantum import BEST_EFFORT, SEGMENT_BYTES, Quantum

QUANTUM_S = 1e-4  # of the slowest link
LEAST_QUANTUM_BYTES = 2 * SEGMENT_BYTES
WINDOW_QUANTA = 4
GROWTH_QUANTA = 4
LOOK_S = 1e-3
NO_WAY_S = 1e-2  # until the source looks again where there is no way
REPORT_S = 0.1


@dataclass(frozen=True, slots=True)
class _Way:
    """Sum of the delays and rate of the slowest link, as they are now; the largest quantum its queues take at once."""

    delay_s: float
    s_per_byte: float
    quantum_bytes: int


class Transfer:
    """Sends `size_bytes` from `src` to `dst` from `at_s` on. `tell` hears every REPORT_S, and once at the end.

    unsent + in flight + delivered = size, always; what is lost counts as in flight until the source knows.
    """

    def __init__(
        self,
        engine: Engine,
        number: int,
        at_s: float,
        src: int,
        dst: int,
        size_bytes: int,
        tell: Callable[[dict[str, Any]], None],
        traffic_class: int = BEST_EFFORT,
    ) -> None:
        self._engine = engine
        self._number = number
        self._src = src
        self._dst = dst
        self._row = engine.rows[dst]
        self._size_bytes = size_bytes
        self._tell = tell
        self._traffic_class = traffic_class
        self._unsent = size_bytes
        self._in_flight = 0
        self.delivered = 0
        self.lost = 0
        self._newest_s = at_s  # arrival of the last byte so far
        self._way: _Way | None = None
        self._look_s = at_s
        self._rng = random.Random(number)
        self._window = self._most = 0.0
        self._calm_s = at_s  # a queue that was full before this is no news
        self._waits = False  # for the window, or for something to send again
        self._next_s = at_s  # not before the last quantum has left
        self.state = "running"
        engine.at(at_s, self._emit)
        engine.at(at_s + REPORT_S, self._report)

    def cancel(self, t: float) -> None:
        """End it at `t`: what is on its way crosses the links and counts no more."""
        if self.state == "running":
            self._end(t, "cancelled")

    def arrived(self, t: float, size_bytes: int) -> None:
        """A quantum is at its destination, whole at `t`."""
        if self.state != "running":
            return
        self.delivered += size_bytes
        self._newest_s = max(self._newest_s, t)
        if self.delivered == self._size_bytes:
            self._end(self._newest_s, "done")
        else:
            self._engine.at(t + self._back_s, partial(self._acknowledged, size_bytes))

    def dropped(self, t: float, size_bytes: int, *, queue_full: bool) -> None:
        """A quantum, or a part of it, was lost at `t`."""
        if self.state == "running":
            self._engine.at(t + self._back_s, partial(self._missed, size_bytes, queue_full))

    @property
    def _back_s(self) -> float:
        return self._way.delay_s if self._way is not None else NO_WAY_S

    def _acknowledged(self, size_bytes: int, t: float) -> None:
        self._in_flight -= size_bytes
        if self._window < self._most and self._way is not None:
            self._window += GROWTH_QUANTA * size_bytes * self._way.quantum_bytes / self._window
        self._go_on(t)

    def _missed(self, size_bytes: int, queue_full: bool, t: float) -> None:
        self._in_flight -= size_bytes
        self._unsent += size_bytes
        self.lost += size_bytes
        if queue_full and t >= self._calm_s and self._way is not None:
            self._window = max(min(self._window, self._most) / 2.0, 2.0 * self._way.quantum_bytes)
            self._calm_s = t + 2.0 * self._way.delay_s + self._window * self._way.s_per_byte
        self._go_on(t)

    def _go_on(self, t: float) -> None:
        if self._waits:
            self._waits = False
            if t >= self._next_s:
                self._emit(t)
            else:
                self._engine.at(self._next_s, self._emit)

    def _emit(self, t: float) -> None:
        """Send one quantum, if the window allows, and come back when it has left."""
        if self.state != "running":
            return
        if t >= self._look_s or self._way is None:
            self._look(t)
        way = self._way
        if way is None:
            self._engine.at(t + NO_WAY_S, self._emit)
            return
        size = min(int(way.quantum_bytes * (1.0 - 0.5 * self._rng.random())), self._unsent)
        if not size or (self._in_flight and self._in_flight + size > min(self._window, self._most)):
            self._waits = True
            return
        self._unsent -= size
        self._in_flight += size
        quantum = Quantum(self, self._dst, self._row, size, t, self._traffic_class)
        self._engine.enter(t, self._src, quantum)
        self._next_s = t + size * way.s_per_byte
        self._engine.at(self._next_s, self._emit)

    def _look(self, t: float) -> None:
        """See which way quanta go from now on."""
        self._look_s = t + LOOK_S
        before, self._way = self._way, self._find(t)
        if self._way is None:
            return
        way = self._way
        self._most = 2.0 * way.delay_s / way.s_per_byte + WINDOW_QUANTA * way.quantum_bytes
        if before is None:
            self._window = self._most

    def _find(self, t: float) -> _Way | None:
        """The way by the tables of the nodes on it; None where it ends or is dark, and while the ends are cut off."""
        engine, node, row = self._engine, self._src, self._row
        if (cuts := engine.cuts) is not None and (
            cuts.part(self._src, self._dst) or cuts.part(self._dst, self._src)
        ):
            return None
        delay_s = slowest = 0.0
        queue_s: list[tuple[float, float]] = []
        for _ in range(engine.n_nodes):
            if not engine.lit[node]:
                return None
            if node == self._dst:
                size = QUANTUM_S / slowest
                # What comes faster than a link sends waits there while it comes: a quarter of the queue at most.
                size = min([size, *(depth / s_per_byte / 4.0 for depth, s_per_byte in queue_s)])
                return _Way(delay_s, slowest, max(LEAST_QUANTUM_BYTES, int(size)))
            number = engine.views[node][row + node]
            if number == NO_LINK:
                return None
            d = engine.delay_s[number]
            if d < 0.0:
                return None
            link = engine.links[number]
            delay_s += d + engine.slope[number] * (t - engine.segment_start_s)
            slowest = max(slowest, link.s_per_byte)
            queue_s.append((link.queue_s, link.s_per_byte))
            node = link.dst
        return None

    def _report(self, t: float) -> None:
        if self.state == "running":
            self._say(max(t, self._newest_s))
            self._engine.at(t + REPORT_S, self._report)

    def _end(self, at_s: float, state: str) -> None:
        self.state = state
        self._say(at_s)

    def _say(self, at_s: float) -> None:
        self._tell(
            {"op": "transfer", "id": self._number, "at": at_s, "bytes": self.delivered, "lost": self.lost}
            | {"state": self.state}
        )
