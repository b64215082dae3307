"""The satellites that stay in sight longest: the fewest handovers. One that was taken stays until another beats it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.topology.selection.policy import Candidates, best_of_each


def choose(candidates: Candidates) -> NDArray[np.bool_]:
    """By the time until the satellite sets, in whole epochs."""
    return best_of_each(candidates, candidates.remaining_s())
