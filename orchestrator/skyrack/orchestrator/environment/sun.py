"""Where the Sun is at an instant of orbit time."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skyrack.orchestrator.orbit.constants import SECONDS_PER_DAY
from skyrack.orchestrator.orbit.sun import sun_direction
from skyrack.orchestrator.orbit.times import julian_date
from skyrack.orchestrator.topology.geometry import Geometry


def sun_at(geometry: Geometry, t_s: ArrayLike) -> NDArray[np.float64]:
    """Unit vectors (..., 3) from the Earth to the Sun at instants (...) of orbit time, in TEME."""
    jd, fraction = julian_date(geometry.start)
    return sun_direction(jd, fraction + np.asarray(t_s, dtype=np.float64) / SECONDS_PER_DAY)
