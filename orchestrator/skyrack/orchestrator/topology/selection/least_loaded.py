"""The satellites that the fewest stations have taken: stations choose one antenna each in turn, in scenario order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.topology.selection.policy import Candidates


def choose(candidates: Candidates) -> NDArray[np.bool_]:
    """By how many have taken it so far, then by elevation, then by number."""
    chosen = np.zeros(len(candidates.station), dtype=np.bool_)
    load = np.zeros(int(candidates.satellite.max(initial=-1)) + 1, dtype=np.int64)
    for turn in range(int(candidates.antennas.max(initial=0))):
        for station in np.nonzero(candidates.antennas > turn)[0].tolist():
            free = np.nonzero((candidates.station == station) & ~chosen)[0]
            if not len(free):
                continue
            key = (
                candidates.satellite[free],
                -candidates.elevation_deg[free],
                load[candidates.satellite[free]],
            )
            taken = free[np.lexsort(key)[0]]
            chosen[taken] = True
            load[candidates.satellite[taken]] += 1
    return chosen
