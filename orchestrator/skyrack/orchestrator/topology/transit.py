"""Who forwards for others: satellites, and on the ground whom the scenario lets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.topology.fibre import Fibres


def forwarding(
    ground_transit: Literal["fibre", "never", "always"], kind: Sequence[str], fibres: Fibres, n_sat: int
) -> NDArray[np.bool_]:
    """Flags (n_nodes,) by `routing.ground_transit`; a user terminal never forwards."""
    through = np.array([what == "satellite" for what in kind], dtype=np.bool_)
    if ground_transit == "always":
        through |= np.isin(np.array(kind), ("ground", "pop"))
    elif ground_transit == "fibre":
        through[np.concatenate([fibres.a, fibres.b]) + n_sat] = True
    return through
