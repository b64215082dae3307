"""When which operation is meant to start. Pure and repeatable, so that supervisor and worker agree without talking."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Spacing = Literal["fixed", "poisson"]


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
class Arrival:
    """Operation `op`, meant to start `at_s` seconds after the start of the workload."""

    op: int
    at_s: float


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

    def of(self, pair_index: int) -> Iterator[Arrival]:
        """The arrivals of one pair, in order; operation numbers are unique over all pairs."""
        n = len(self.pairs)
        for k, at_s in enumerate(self._instants(pair_index)):
            if at_s >= self.duration_s:
                return
            yield Arrival(k * n + pair_index, at_s)

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
