"""What a holder does that takes time, a step at a time, so that it can look after what it holds meanwhile."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TypeVar

from skyrack.node.clock import Clock
from skyrack.v1 import holding

T = TypeVar("T")
Steps = Generator[float, None, T]  # yields after how many seconds the next step is due

# Until who was stopped stands, and who was killed has ended. Each needs the processor for that, which a host may keep from it.
SETTLE_LIMIT_S = 20.0
FIRST_LOOK_S = 0.001
LONGEST_LOOK_S = 0.02


@dataclass
class Work:
    """A request that is being done."""

    steps: Steps[holding.Seen | holding.Failed]
    due_s: float


def delays_s(clock: Clock) -> Iterator[float]:
    """How long to wait before each look, for SETTLE_LIMIT_S: looking must not keep from who is looked at what he needs."""
    deadline_ns = clock.monotonic_ns() + int(SETTLE_LIMIT_S * 1e9)
    delay_s = FIRST_LOOK_S
    while clock.monotonic_ns() < deadline_ns:
        yield delay_s
        delay_s = min(2.0 * delay_s, LONGEST_LOOK_S)
