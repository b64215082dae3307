"""When a satellite will be in the Earth's shadow."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.environment.stays import Stay, stays
from skyrack.orchestrator.environment.sun import sun_at
from skyrack.orchestrator.orbit.sun import sunlit
from skyrack.orchestrator.topology.geometry import Geometry

STEP_S = 60.0  # a stay that is shorter, of an orbit that grazes the shadow, may be missed


def eclipses(geometry: Geometry, node: int, first_s: float, last_s: float) -> list[Stay]:
    """Stays of a satellite in the cylindrical shadow in [first_s, last_s]: begin and end, orbit time, within 0.03 s.

    One that has begun before begins at `first_s`, one that goes on ends at `last_s`.
    """

    def dark(instants: NDArray[np.float64]) -> NDArray[np.bool_]:
        return ~sunlit(geometry.positions_of_km([node], instants)[:, 0], sun_at(geometry, instants))

    return stays(dark, first_s, last_s, STEP_S)
