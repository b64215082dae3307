"""When which pair's echo is meant to start. Pure and repeatable."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from skyrack.workloads import Request
from skyrack.workloads.coordinator import Planned
from skyrack.workloads.schedule import Spacing


@dataclass(frozen=True, slots=True)
class Pair:
    """Operations go from node `a` to node `b` at `address`."""

    a: str
    b: str
    address: str

    @property
    def name(self) -> str:
        """As histories and scenarios write it."""
        return f"{self.a}>{self.b}"


@dataclass(frozen=True, slots=True)
class Arrivals:
    """`rate_hz` operations per second over all `pairs` for `duration_s`.

    `fixed`: evenly spaced, the pairs taking turns. `poisson`: every pair an own Poisson process, seeded by
    (seed, "echo", pair), so that adding a pair does not move another one's operations.
    """

    pairs: Sequence[Pair]
    rate_hz: float
    duration_s: float
    spacing: Spacing = "fixed"
    seed: int = 1

    def planned(self, payload_bytes: int) -> Iterator[Planned]:
        """Every operation, in order: the value of an echo is how many bytes it carries."""
        for at_s, index in heapq.merge(*map(self.of, range(len(self.pairs)))):
            pair = self.pairs[index]
            yield Planned(at_s, pair.a, Request("echo", pair.name, payload_bytes))

    def of(self, pair_index: int) -> Iterator[tuple[float, int]]:
        """When one pair's operations are meant to start, each with the pair's index."""
        for at_s in self._instants(pair_index):
            if at_s >= self.duration_s:
                return
            yield at_s, pair_index

    def _instants(self, pair_index: int) -> Iterator[float]:
        n = len(self.pairs)
        if self.spacing == "fixed":
            k = pair_index
            while True:
                yield k / self.rate_hz
                k += n
        draw = random.Random(f"{self.seed}/echo/{self.pairs[pair_index].name}")
        at_s = 0.0
        while True:
            at_s += draw.expovariate(self.rate_hz / n)
            yield at_s
