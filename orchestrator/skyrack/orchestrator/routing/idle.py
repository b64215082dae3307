"""What a declared transfer takes on an idle way, and why there is no way. Pure.

took = size * 8 / slowest rate + delay along the path, both as they are when it begins
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.routing.link_model import LinkModel
from skyrack.orchestrator.routing.paths import path_of
from skyrack.orchestrator.topology.epoch import LASER, Epoch


class NoWayError(Exception):
    """There is no way between two nodes now; says why."""


@dataclass(frozen=True, slots=True)
class Way:
    """The nodes of a path, the rate of its slowest link and the sum of its delays."""

    path: tuple[int, ...]
    rate_bps: float
    delay_s: float

    def took_s(self, size_bytes: int) -> float:
        """How long `size_bytes` take with nothing else under way."""
        return size_bytes * 8.0 / self.rate_bps + self.delay_s


def way(
    epoch: Epoch, link_delay_s: NDArray[np.float64], model: LinkModel, names: tuple[str, ...], a: int, b: int
) -> Way:
    """The way in force from `a` to `b`; `link_delay_s` (m,) are the delays of the epoch's links. Raises NoWayError."""
    path = path_of(epoch, a, b)
    if path is None:
        raise NoWayError(_why_not(epoch, names, a, b))
    rates_bps, delay_s = [], 0.0
    for x, y in pairwise(path):
        link = epoch.link_of(x, y)
        assert link is not None, "routes lead over links"
        kind_bps = model.laser_rate_bps if epoch.kind[link] == LASER else model.ground_rate_bps
        rates_bps.append(epoch.share_of(x, y) * kind_bps)
        delay_s += 0.0 if model.zero_delay else float(link_delay_s[link])
    return Way(tuple(path), min(rates_bps), delay_s)


def _why_not(epoch: Epoch, names: tuple[str, ...], a: int, b: int) -> str:
    for node in (a, b):
        if not bool(((epoch.a == node) | (epoch.b == node)).any()):
            return f"{names[node]} has no link in force: nothing is in sight of it"
    return f"the links in force do not join {names[a]} and {names[b]}: the mesh is in parts"
