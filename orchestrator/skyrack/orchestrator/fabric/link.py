"""One direction of one link: a queue, a transmitter and a counter.

    arrival --> | backlog <= queue_s ? | --> start = max(arrival, free_at) --> end = start + bytes * s_per_byte
                       | no: tail drop                                          free_at = end; out at end + delay(end)

Times are float seconds since the start of the run: 1e-11 s of resolution after a day, against 12 ns for 1,500 bytes at
1 Tbit/s. Nothing is rounded, so nothing drifts.
"""

from __future__ import annotations

import math
import random


class Link:
    """State, parameters and counters of one directed link. A plain record: the engine's loop works on it in place."""

    __slots__ = (
        "bytes",
        "dropped_loss",
        "dropped_queue",
        "dst",
        "free_at",
        "gap",
        "loss_ratio",
        "packets",
        "queue_s",
        "rng",
        "s_per_byte",
        "src",
        "wait_s",
    )

    def __init__(
        self, src: int, dst: int, s_per_byte: float, queue_s: float, loss_ratio: float = 0.0, seed: str = ""
    ) -> None:
        self.src = src
        self.dst = dst
        self.free_at = 0.0
        self.packets = 0
        self.bytes = 0
        self.dropped_queue = 0
        self.dropped_loss = 0
        self.wait_s = 0.0
        self.rng = random.Random(f"{seed}/loss/{src}>{dst}") if loss_ratio > 0.0 else None
        self.set_parameters(s_per_byte, queue_s, loss_ratio)

    def set_parameters(self, s_per_byte: float, queue_s: float, loss_ratio: float) -> None:
        """Change rate (seconds per real byte), queue depth (seconds of backlog) and loss (per packet) from now on."""
        self.s_per_byte = s_per_byte
        self.queue_s = queue_s
        self.loss_ratio = loss_ratio
        self.gap = self.next_gap() if loss_ratio > 0.0 else 0

    def next_gap(self) -> int:
        """Packets that pass before the next lost one: geometric, so the common case costs one comparison."""
        assert self.rng is not None
        if self.loss_ratio >= 1.0:
            return 0
        return int(math.log(1.0 - self.rng.random()) / math.log1p(-self.loss_ratio))

    def loses_next(self) -> bool:
        """Whether the next packet on this link is the lost one; advances the sequence."""
        if self.gap > 0:
            self.gap -= 1
            return False
        self.gap = self.next_gap()
        return True
