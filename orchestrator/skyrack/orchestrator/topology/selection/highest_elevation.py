"""The highest satellites: the shortest links through the least air."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.topology.selection.policy import Candidates, best_of_each


def choose(candidates: Candidates) -> NDArray[np.bool_]:
    """By elevation at the epoch's start."""
    return best_of_each(candidates, candidates.elevation_deg)
