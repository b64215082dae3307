"""One direction of one link: a queue, a transmitter and a counter.

    arrival --> | backlog <= queue_s ? | --> start = max(arrival, free_at) --> end = start + bytes * s_per_byte
                       | no: tail drop                                          free_at = end; out at end + delay(end)

Times are float seconds since the start of the run: 1e-11 s of resolution after a day, against 12 ns for 1,500 bytes at
1 Tbit/s. While the link is busy its bytes are counted as an integer and free_at = busy_since + busy_bytes * s_per_byte,
so roundings do not add up.

A train from a slower link arrives with gaps between its segments, and others go into the gaps: such a train occupies the
link for its bytes only, and what comes after its last segment goes out after it.

    arrivals   A1....A2....A3....A4         free_at: end of A's bytes, as if they had come at once
    out        A1 BB A2 B. A3....A4 C       `tails`: [arrival of A4, end of A4), in which C waits

Some packets are lost and some damaged, each by a sequence of its own that the seed draws. `gap` is how many pass unharmed
before the next mishap of either sort, so that a packet costs one comparison, and one without mishaps (`risky`) not that.
"""

from __future__ import annotations

import math
import random

from skyrack.orchestrator.fabric.train import Train

# Orbital velocities stretch a train of 0.1 ms by less than this; no gap to be used.
_STRETCH_S = 1e-8
NEVER = 1e18  # packets; what a vanishing ratio draws may not be finite
UNDRAWN = -1  # how many packets pass before the next mishap is not drawn yet
UNHARMED, LOST, DAMAGED = 0, 1, 2


class Link:
    """State, parameters and counters of one directed link. A plain record: the engine's loop works on it in place."""

    __slots__ = (
        "_after_gap",
        "_dice",
        "busy_bytes",
        "busy_since",
        "bytes",
        "corrupt_ratio",
        "dropped_loss",
        "dropped_queue",
        "dst",
        "free_at",
        "gap",
        "loss_ratio",
        "packets",
        "queue_s",
        "risky",
        "s_per_byte",
        "seed",
        "src",
        "tails",
        "wait_s",
    )

    def __init__(
        self,
        src: int,
        dst: int,
        s_per_byte: float,
        queue_s: float,
        loss_ratio: float = 0.0,
        seed: str = "",
        corrupt_ratio: float = 0.0,
    ) -> None:
        self.src = src
        self.dst = dst
        self.free_at = self.busy_since = 0.0
        self.busy_bytes = 0
        self.tails: list[tuple[float, float]] = []
        self.packets = 0
        self.bytes = 0
        self.dropped_queue = 0
        self.dropped_loss = 0
        self.wait_s = 0.0
        self.seed = seed
        self.s_per_byte = s_per_byte
        self.queue_s = queue_s
        self.loss_ratio = loss_ratio
        self.corrupt_ratio = corrupt_ratio
        self.risky = bool(loss_ratio or corrupt_ratio)
        self.gap = UNDRAWN
        self._after_gap = (
            UNDRAWN,
            UNDRAWN,
        )  # packets from the gap's end to the next lost, the next damaged one
        self._dice: dict[str, random.Random] | None = None

    def set_parameters(
        self, s_per_byte: float, queue_s: float, loss_ratio: float, corrupt_ratio: float = 0.0
    ) -> None:
        """Change rate (seconds per real byte), queue depth (seconds of backlog), loss and damage (per packet) from now on.

        What is queued leaves as it would have, and the sequences of losses and damages go on.
        """
        if s_per_byte != self.s_per_byte:
            self.busy_until(self.free_at)
            self.s_per_byte = s_per_byte
        self.queue_s = queue_s
        if (loss_ratio, corrupt_ratio) != (self.loss_ratio, self.corrupt_ratio):
            loss, damage = (
                after + max(self.gap, 0) if after != UNDRAWN else after for after in self._after_gap
            )
            self._after_gap = (
                loss if loss_ratio == self.loss_ratio else UNDRAWN,
                damage if corrupt_ratio == self.corrupt_ratio else UNDRAWN,
            )
            self.loss_ratio, self.corrupt_ratio = loss_ratio, corrupt_ratio
            self.risky = bool(loss_ratio or corrupt_ratio)
            self.gap = UNDRAWN

    def busy_until(self, free_at: float) -> None:
        """Let the transmitter be free at `free_at`; bytes count anew from there."""
        self.free_at = self.busy_since = free_at
        self.busy_bytes = 0

    def keep_tail(self, arrival_s: float, end_s: float) -> None:
        """A train's last segment comes at `arrival_s`, after a gap, and is out at `end_s`."""
        if end_s - self.free_at > _STRETCH_S:
            self.tails.append((arrival_s, end_s))
        else:
            self.busy_until(end_s)

    def yield_to_tails(self, t: float) -> float:
        """When the transmitter is free for what arrives at `t`, behind tails that arrived before; forgets those gone."""
        self.tails = [tail for tail in self.tails if tail[1] > t]
        for arrival_s, end_s in self.tails:
            if arrival_s <= t and end_s > self.free_at:
                self.busy_until(end_s)
        return self.free_at

    def free_behind(self, t: float, waiting_bytes: int) -> float:
        """When the transmitter is free for what arrives at `t` behind so many bytes that wait for it."""
        if self.free_at <= t and not waiting_bytes:
            return t
        return max(t, self.busy_since + (self.busy_bytes + waiting_bytes) * self.s_per_byte)

    def wait_s_of(self, t: float, train: Train, waiting_bytes: int = 0) -> float:
        """How long the first or the last of a train waits that arrives at `t` behind `waiting_bytes`, whichever is longer."""
        start = self.free_behind(t, waiting_bytes)
        if train.segments == 1:
            return start - t
        last = train.last * self.s_per_byte
        out = max(start + train.wire * self.s_per_byte, train.tail + last)
        return max(start - t, out - last - train.tail)

    def occupy(self, t: float, train: Train) -> tuple[float, float]:
        """Send a train that arrived at `t` when the transmitter is free; when its first byte begins, its last one is out."""
        start = max(t, self.free_at)
        if self.free_at <= t:
            self.busy_until(t)
        self.busy_bytes += train.wire
        self.free_at = end = self.busy_since + self.busy_bytes * self.s_per_byte
        self.wait_s += (start - t) * train.segments
        # A train that comes in slower than this link sends ends when its last segment does.
        out = max(end, train.tail + train.last * self.s_per_byte)
        if out > end:
            self.keep_tail(train.tail, out)
        return start, out

    def next_mishap(self) -> int:
        """What becomes of the next packet: UNHARMED, LOST or DAMAGED; advances the sequences."""
        if self.gap > 0:
            self.gap -= 1
            return UNHARMED
        if self.gap == UNDRAWN:
            self._begin_gap(*self._after_gap)
            return self.next_mishap()
        loss, damage = self._after_gap
        self._begin_gap(loss - 1, damage - 1)  # UNDRAWN for what has happened now
        return LOST if loss == 0 else DAMAGED

    def mishaps_among(self, n: int) -> int:
        """How many of the next `n` packets are lost or damaged; advances the sequences as `next_mishap` does, by gaps."""
        if not self.risky:
            return 0
        met = passed = 0
        while True:
            if self.gap == UNDRAWN:
                self._begin_gap(*self._after_gap)
            if passed + self.gap >= n:
                self.gap -= n - passed
                return met
            passed += self.gap + 1
            met += 1
            self.gap = 0
            self.next_mishap()

    def draw_below(self, n: int) -> int:
        """A number from 0 to `n` - 1, for what a damage is."""
        return self._dice_for("damage").randrange(n)

    def _begin_gap(self, loss: int, damage: int) -> None:
        """To the next mishap of either sort, with so many packets before the next lost and the next damaged one."""
        if loss == UNDRAWN:
            loss = self._drawn(self.loss_ratio, "loss")
        if damage == UNDRAWN:
            damage = self._drawn(self.corrupt_ratio, "corrupt")
        self.gap = gap = min(loss, damage)
        self._after_gap = (loss - gap, damage - gap)

    def _drawn(self, ratio: float, sort: str) -> int:
        """Packets that pass before the next mishap of a sort: geometric."""
        if not ratio:
            return int(NEVER)
        if ratio >= 1.0:
            return 0
        gap = math.log(1.0 - self._dice_for(sort).random()) / math.log1p(-ratio)
        return int(min(gap, NEVER))

    def _dice_for(self, sort: str) -> random.Random:
        if self._dice is None:
            self._dice = {}
        if sort not in self._dice:  # seeding takes 10 us, and most links never carry a packet
            self._dice[sort] = random.Random(f"{self.seed}/{sort}/{self.src}>{self.dst}")
        return self._dice[sort]
