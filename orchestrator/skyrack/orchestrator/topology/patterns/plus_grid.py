"""+Grid: two lasers along the plane, two across. Satellites outside any grid join by nearest neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.orbit.layout import unique_pairs
from skyrack.orchestrator.topology.patterns.nearest import join_nearest
from skyrack.orchestrator.topology.patterns.pattern import Sky


def pairs(sky: Sky) -> NDArray[np.int32]:
    """The grids' neighbours; across a seam only where the grid says so."""
    if sky.in_grid.all():
        return sky.grid_pairs
    return join_others(sky, sky.grid_pairs)


def join_others(sky: Sky, grid_pairs: NDArray[np.int32]) -> NDArray[np.int32]:
    """The grid's pairs with the satellites outside any grid joined by nearest neighbours, with lasers left over."""
    used = np.bincount(grid_pairs.ravel(), minlength=len(sky.in_grid))
    free = np.maximum(sky.lasers_per_satellite - used, 0)
    return unique_pairs(np.concatenate([grid_pairs, join_nearest(sky, free, wanting=~sky.in_grid)]))
