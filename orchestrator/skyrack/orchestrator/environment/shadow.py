"""Where the Sun is, and which satellites the Earth keeps it from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skyrack.orchestrator.orbit.constants import SECONDS_PER_DAY
from skyrack.orchestrator.orbit.sun import sun_direction, sunlit
from skyrack.orchestrator.orbit.times import julian_date
from skyrack.orchestrator.topology.geometry import Geometry


@dataclass(frozen=True)
class Shadow:
    """`sun_teme` (3,) is a unit vector from the Earth; `eclipsed` (n_sat,) says which satellites stand in the shadow."""

    sun_teme: NDArray[np.float64]
    eclipsed: NDArray[np.bool_]

    @property
    def eclipsed_ratio(self) -> float:
        """Share of all satellites that stand in the shadow."""
        return float(self.eclipsed.mean()) if len(self.eclipsed) else 0.0


def sun_at(geometry: Geometry, t_s: ArrayLike) -> NDArray[np.float64]:
    """Unit vectors (..., 3) from the Earth to the Sun at instants (...) of orbit time, in TEME."""
    jd, fraction = julian_date(geometry.start)
    return sun_direction(jd, fraction + np.asarray(t_s, dtype=np.float64) / SECONDS_PER_DAY)


def shadow_at(geometry: Geometry, t_s: float) -> Shadow:
    """The shadow at orbit time `t_s`."""
    sun = sun_at(geometry, t_s)
    return Shadow(sun, ~sunlit(geometry.positions_km(t_s)[: geometry.n_sat], sun))
