"""What a laser pattern is given and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.topology.sight import LaserLimits


@dataclass(frozen=True, slots=True)
class Sky:
    """What a pattern may look at: an instant, never the past, so that a restart chooses the same lasers.

    `grid_pairs` (m, 2) are the +Grid neighbours of every shell; `in_grid` (n,) says who belongs to one.
    """

    satellite_km: NDArray[np.float64]  # (n, 3) TEME
    grid_pairs: NDArray[np.int32]
    in_grid: NDArray[np.bool_]
    limits: LaserLimits
    lasers_per_satellite: int


class LaserPattern(Protocol):
    """Chooses who points lasers at whom over one epoch.

    Returns undirected pairs (m, 2), lower index first, sorted, each once. Pairs without line of sight may be included:
    they are lit when it is there.
    """

    def __call__(self, sky: Sky) -> NDArray[np.int32]: ...
