"""An epoch: the links and routes in force over one interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LASER = 0
GROUND = 1
FIBRE = 2
# What `kind` is called in metrics, records and answers.
KIND_NAMES = ("laser", "ground", "fibre")


def count_kinds(kind: NDArray[np.uint8]) -> dict[str, int]:
    """How many links (m,) there are of each kind, by name."""
    return {name: int((kind == number).sum()) for number, name in enumerate(KIND_NAMES)}


@dataclass(frozen=True, slots=True)
class Epoch:
    """Links and routes in force over [t0_s, t1_s), seconds of orbit time.

    Links (m,) join node `a` to node `b`, a < b: LASER two satellites, GROUND a satellite and a station, FIBRE two
    stations, as `kind` says and in that order. Every link is usable during the whole interval, in both directions.
    `next_hop` (d, nodes): where a packet for `destinations[i]` (sorted) goes from each node; -1 when it cannot get
    there, the destination itself at the destination.
    `share` (m, 2): of the scenario's rate of lasers, or of ground links for all others, a to b and b to a; None where all
    have the whole of it.
    """

    t0_s: float
    t1_s: float
    a: NDArray[np.int32]
    b: NDArray[np.int32]
    kind: NDArray[np.uint8]
    destinations: NDArray[np.int32]
    next_hop: NDArray[np.int32]
    share: NDArray[np.float64] | None = None

    def share_of(self, src: int, dst: int) -> float:
        """The share of the rate on the way from `src` to `dst`; 1 where they are not linked."""
        if self.share is None or (link := self.link_of(src, dst)) is None:
            return 1.0
        return float(self.share[link, int(src > dst)])

    def link_of(self, a: int, b: int) -> int | None:
        """Which of the links joins two nodes, whichever comes first; None where none does."""
        found = np.nonzero((self.a == min(a, b)) & (self.b == max(a, b)))[0]
        return int(found[0]) if len(found) else None

    def row_of(self, destination: int) -> int | None:
        """The row of `next_hop` for a destination, None for a node that has no tree."""
        row = int(np.searchsorted(self.destinations, destination))
        if row < len(self.destinations) and self.destinations[row] == destination:
            return row
        return None
