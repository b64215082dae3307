"""Two classes on one direction of a link: who is sent next is decided when the transmitter is free, not before.

    arrival --> admit: its own class's backlog <= queue_s ? --> waiting[class] --> transmitter free: next_turn --> Link.occupy
                    | no: tail drop

    strict      compute whenever some of it waits
    weighted    start-time fair queueing: a train of n bytes has the tags start and finish = start + n / weight of its class,
                start = the finish before it in its class, or the start of what is being sent if that is later; the smallest
                start is next

What is sent is sent whole: a packet, a train or a quantum. So the other class waits for one of these at most, and of two
classes that both wait all the time neither is ahead of its share by more than one of its own and one of the other's (Goyal,
Vin and Cheng, SIGCOMM 1996). Nothing is idle while anything waits. With one class in use a link is what a Link is: each class
has the memory that a link without classes has.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from skyrack.orchestrator.fabric.link import Link
from skyrack.orchestrator.fabric.quantum import BEST_EFFORT, COMPUTE, Quantum
from skyrack.orchestrator.fabric.train import VNET_BYTES, Train, split

_TOS = VNET_BYTES + 1
_ALWAYS = (inf, inf)  # a tail that never ends, behind which nothing waits


@dataclass(frozen=True, slots=True)
class Classes:
    """How a link's rate is shared.

    `weights`: of compute and best effort, None for strict. `by_tos`: the class of each value of the TOS byte.
    """

    weights: tuple[float, float] | None
    by_tos: bytes

    @classmethod
    def of(cls, scheduling: str, compute_share: float, dscp: Collection[int]) -> Classes | None:
        """From the words of a FabricConfig; None where there is one class. `dscp`: what compute packets are marked with."""
        if not scheduling:
            return None
        weights = (compute_share, 1.0 - compute_share) if scheduling == "weighted" else None
        return cls(weights, bytes(COMPUTE if tos >> 2 in dscp else BEST_EFFORT for tos in range(256)))

    def class_of(self, train: Train) -> int:
        """COMPUTE or BEST_EFFORT."""
        return train.traffic_class if isinstance(train, Quantum) else self.by_tos[train.data[_TOS]]


class Turn(NamedTuple):
    """A train that waits, when it arrived, and the link's delay as it was then."""

    t: float
    train: Train
    delay_s: float
    slope: float
    origin: float


class SharedLink(Link):
    """A Link with classes. The engine's loop takes it for one whose queue is always full, and leaves it to slower ways."""

    __slots__ = (
        "_classes",
        "_finish",
        "_start",
        "_virtual",
        "_waiting",
        "_waiting_bytes",
        "compute_bytes",
        "compute_dropped_queue",
        "compute_packets",
        "rung",
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
        *,
        classes: Classes,
    ) -> None:
        queue_s = min(queue_s, sys.float_info.max)
        super().__init__(src, dst, s_per_byte, queue_s, loss_ratio, seed, corrupt_ratio)
        self.tails = [_ALWAYS]
        self._classes = classes
        self._waiting: tuple[deque[Turn], deque[Turn]] = (deque(), deque())
        self._waiting_bytes = [0, 0]
        self._start = [0.0, 0.0]  # tag of the first that waits
        self._finish = [0.0, 0.0]  # tag of the last that was sent
        self._virtual = 0.0
        self.rung = False  # whether the engine comes back when the transmitter is free
        self.compute_packets = self.compute_bytes = self.compute_dropped_queue = 0

    def set_parameters(
        self, s_per_byte: float, queue_s: float, loss_ratio: float, corrupt_ratio: float = 0.0
    ) -> None:
        """As for any link, but what waits leaves at the new rate."""
        super().set_parameters(s_per_byte, min(queue_s, sys.float_info.max), loss_ratio, corrupt_ratio)

    def yield_to_tails(self, t: float) -> float:
        """Never, as far as the engine's loop is concerned."""
        return inf

    def free_for(self, t: float) -> float:
        """When the transmitter is free for what arrived at `t`, which goes behind tails that had arrived."""
        return super().yield_to_tails(t) if len(self.tails) > 1 else self.free_at

    def admit(self, t: float, train: Train) -> Iterator[tuple[float, Train]]:
        """What of a train that arrives at `t` there is room for, with its arrival; counts what is dropped."""
        waiting_bytes = self._waiting_bytes[self._classes.class_of(train)]
        if self.wait_s_of(t, train, waiting_bytes) <= self.queue_s:
            yield t, train
            return
        if train.segments == 1 or isinstance(train, Quantum):
            self._drop(t, train, train.segments)
            return
        n, kept = train.segments, 0
        step = (train.tail - t) / (n - 1)
        free = self.free_behind(t, waiting_bytes)
        begun: int | None = None
        for i in range(n + 1):
            arrival = t + i * step
            start = max(arrival, free)
            fits = i < n and start - arrival <= self.queue_s
            if fits:
                free = start + (train.segment if i < n - 1 else train.last) * self.s_per_byte
                kept += 1
                begun = i if begun is None else begun
            elif begun is not None:
                part = split(train, begun, i)
                part.tail = t + (i - 1) * step
                part.came_from, part.looped = train.came_from, train.looped
                yield t + begun * step, part
                begun = None
        self._drop(t, train, n - kept)

    def wait(self, turn: Turn) -> None:
        """Last of its class."""
        mine = self._classes.class_of(turn.train)
        if not self._waiting[mine]:
            self._start[mine] = max(self._finish[mine], self._virtual)
        self._waiting[mine].append(turn)
        self._waiting_bytes[mine] += turn.train.wire

    @property
    def waits(self) -> bool:
        """Whether anything does."""
        return bool(self._waiting[COMPUTE] or self._waiting[BEST_EFFORT])

    def begin(self, train: Train) -> int:
        """A train is sent at once, for nothing waits; its class."""
        mine = self._classes.class_of(train)
        if weights := self._classes.weights:
            self._virtual = max(self._finish[mine], self._virtual)
            self._finish[mine] = self._virtual + train.wire / weights[mine]
        return mine

    def next_turn(self) -> tuple[Turn, int]:
        """Who is sent now, which waits no more, and its class. Something has to wait."""
        compute, best_effort = self._waiting
        weights = self._classes.weights
        if not (compute and best_effort):
            mine = COMPUTE if compute else BEST_EFFORT
        else:
            mine = BEST_EFFORT if weights and self._start[BEST_EFFORT] < self._start[COMPUTE] else COMPUTE
        turn = self._waiting[mine].popleft()
        wire = turn.train.wire
        self._waiting_bytes[mine] -= wire
        if weights:
            self._virtual = self._start[mine]
            self._start[mine] = self._finish[mine] = self._virtual + wire / weights[mine]
        return turn, mine

    def count_compute(self, before: tuple[int, int, int]) -> None:
        """What was sent or dropped since the counters stood so (packets, bytes, dropped_queue) was compute."""
        packets, size_bytes, dropped_queue = before
        self.compute_packets += self.packets - packets
        self.compute_bytes += self.bytes - size_bytes
        self.compute_dropped_queue += self.dropped_queue - dropped_queue

    def _drop(self, t: float, train: Train, packets: int) -> None:
        self.dropped_queue += packets
        if self._classes.class_of(train) == COMPUTE:
            self.compute_dropped_queue += packets
        if isinstance(train, Quantum):
            train.sender.dropped(t, train.wire, queue_full=True)
