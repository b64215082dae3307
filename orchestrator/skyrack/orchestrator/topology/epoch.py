"""An epoch: the links and routes in force over one interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LASER = 0
GROUND = 1


@dataclass(frozen=True, slots=True)
class Epoch:
    """Links and routes in force over [t0_s, t1_s), seconds of orbit time.

    Links (m,) join node `a` (a satellite) to node `b` (a satellite or a ground station), a < b, sorted lasers first;
    `kind` is LASER or GROUND. Every link is usable during the whole interval, in both directions.
    `next_hop` (d, nodes): where a packet for `destinations[i]` (sorted) goes from each node; -1 when it cannot get
    there, the destination itself at the destination.
    """

    t0_s: float
    t1_s: float
    a: NDArray[np.int32]
    b: NDArray[np.int32]
    kind: NDArray[np.uint8]
    destinations: NDArray[np.int32]
    next_hop: NDArray[np.int32]

    def row_of(self, destination: int) -> int | None:
        """The row of `next_hop` for a destination, None for a node that has no tree."""
        row = int(np.searchsorted(self.destinations, destination))
        if row < len(self.destinations) and self.destinations[row] == destination:
            return row
        return None
