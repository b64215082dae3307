"""Nearest neighbours: shortest pairs in sight first, while both ends have a laser free.

Chosen anew every epoch, or every `links.rechoose_s`. True hysteresis (keep a partner until another is so much better)
would depend on the whole past and a restart could not compute it; keeping every choice for a stated time is the part of
it that is a function of the instant. Greedy, so the mesh need not be connected: sets without planes seldom can be.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from skyrack.orchestrator.orbit.layout import NO_PAIRS, unique_pairs
from skyrack.orchestrator.topology.patterns.pattern import Sky

# Candidates asked for per laser: enough that a satellite in a crowd still finds a free neighbour.
_CANDIDATES_PER_LASER = 4


def pairs(sky: Sky) -> NDArray[np.int32]:
    """Every satellite with up to `lasers_per_satellite` of its nearest neighbours."""
    count = len(sky.states.r_km)
    free = np.full(count, sky.lasers_per_satellite)
    return join_nearest(sky, free, wanting=np.ones(count, dtype=np.bool_))


def join_nearest(sky: Sky, free: NDArray[np.int_], *, wanting: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Pairs (m, 2) between `wanting` satellites (n,) and any others, within the `free` lasers (n,) of both."""
    able = np.nonzero((free > 0) & np.isfinite(sky.states.r_km).all(axis=1))[0]
    if len(able) < 2:
        return NO_PAIRS
    asked = min(len(able), _CANDIDATES_PER_LASER * sky.lasers_per_satellite + 1)
    _, neighbour = cKDTree(sky.states.r_km[able]).query(sky.states.r_km[able], k=asked)
    candidates = np.stack([np.repeat(able, asked), able[neighbour.ravel()]], axis=1)
    candidates = unique_pairs(candidates[wanting[candidates].any(axis=1)].astype(np.int32))
    a_km, b_km = sky.states.r_km[candidates[:, 0]], sky.states.r_km[candidates[:, 1]]
    lit = sky.limits.able(sky.states, candidates[:, 0], candidates[:, 1])
    candidates, length_km = candidates[lit], np.linalg.norm(a_km - b_km, axis=1)[lit]
    left = free.tolist()
    chosen = []
    for a, b in candidates[np.argsort(length_km, kind="stable")].tolist():
        if left[a] and left[b]:
            left[a] -= 1
            left[b] -= 1
            chosen.append((a, b))
    return np.array(sorted(chosen), dtype=np.int32).reshape(-1, 2)
