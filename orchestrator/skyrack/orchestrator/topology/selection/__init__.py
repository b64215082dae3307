"""Which satellites a station's antennas turn to. A new policy is a file here and a line in SELECTIONS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.topology.selection import highest_elevation, least_loaded, longest_remaining
from skyrack.orchestrator.topology.selection.policy import Candidates, SelectionPolicy

SELECTIONS: Final[Mapping[str, SelectionPolicy]] = {
    "highest-elevation": highest_elevation.choose,
    "longest-remaining": longest_remaining.choose,
    "least-loaded": least_loaded.choose,
}

__all__ = ["SELECTIONS", "Candidates", "SelectionPolicy", "choose"]


def choose(candidates: Candidates, policies: Sequence[str]) -> NDArray[np.bool_]:
    """Flags (m,) of the candidates that are chosen; `policies` (g,): each station's. Policies do not see each other's."""
    named = np.array(policies)[candidates.station]
    chosen = np.zeros(len(candidates.station), dtype=np.bool_)
    for name in sorted(set(named.tolist())):
        mine = named == name
        chosen[mine] = SELECTIONS[name](candidates.among(mine))
    return chosen
