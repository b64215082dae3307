"""Rings with diagonals: two lasers along the plane, one to the next plane a slot ahead, one to the plane before a slot behind.

    plane p+1   ---o---o---o---
                  /   /   /
    plane p     ---o---o---o---

A diagonal is longer than the straight way across and turns more slowly where the planes cross.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.orbit.layout import unique_pairs
from skyrack.orchestrator.topology.patterns.pattern import Sky
from skyrack.orchestrator.topology.patterns.plus_grid import join_others


def pairs(sky: Sky) -> NDArray[np.int32]:
    """Neighbours along planes, and diagonals where +Grid has lasers across."""
    along, across = sky.along_and_across()
    ahead = _next_in_plane(sky)
    diagonal = np.stack([across[:, 0], ahead[across[:, 1]]], axis=1)
    return join_others(sky, unique_pairs(np.concatenate([along, diagonal])))


def _next_in_plane(sky: Sky) -> NDArray[np.int32]:
    """The next satellite (n,) of the same plane in flight order, the first again after the last."""
    order = np.lexsort((sky.slot, sky.plane, sky.shell))
    group = np.stack([sky.shell[order], sky.plane[order]])
    begins = np.nonzero(np.append(True, (group[:, 1:] != group[:, :-1]).any(axis=0)))[0]
    following = np.roll(order, -1)
    ends = np.append(begins[1:], len(order)) - 1
    following[ends] = order[begins]
    ahead = np.empty(len(order), dtype=np.int32)
    ahead[order] = following
    return ahead
