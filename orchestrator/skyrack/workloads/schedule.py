"""When operations are meant to start, and who asks them. Pure and repeatable."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from typing import Literal

from skyrack.workloads.base import Workload
from skyrack.workloads.coordinator import Planned

Spacing = Literal["fixed", "poisson"]


def instants(rate_hz: float, duration_s: float, spacing: Spacing, seed: int) -> Iterator[float]:
    """Seconds since the start: evenly spaced, or a Poisson process."""
    draw = random.Random(f"{seed}/instants")
    at_s = 0.0
    for number in itertools.count(1):
        if at_s >= duration_s:
            return
        yield at_s
        at_s = number / rate_hz if spacing == "fixed" else at_s + draw.expovariate(rate_hz)


def planned(
    workload: Workload,
    nodes: Sequence[str],
    *,
    rate_hz: float,
    duration_s: float,
    spacing: Spacing = "fixed",
    seed: int = 1,
) -> Iterator[Planned]:
    """The workload's requests at their instants, the nodes taking turns: what is asked where does not depend on the answers."""
    at = instants(rate_hz, duration_s, spacing, seed)
    for at_s, node, request in zip(at, itertools.cycle(nodes), workload.generator(seed), strict=False):
        yield Planned(at_s, node, request)
