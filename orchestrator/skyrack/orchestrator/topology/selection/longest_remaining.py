"""The satellites that stay in sight longest.

Chosen anew at every epoch without regard to who was taken before, so one that has just risen often takes over: this is no way
to fewer handovers than the highest elevation has.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.topology.selection.policy import Candidates, best_of_each


def choose(candidates: Candidates) -> NDArray[np.bool_]:
    """By the time until the satellite sets, in whole epochs."""
    return best_of_each(candidates, candidates.remaining_s())
