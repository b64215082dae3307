"""When a satellite will be in the Earth's shadow."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.environment.stays import Stay, stays
from skyrack.orchestrator.environment.sun import sun_at
from skyrack.orchestrator.orbit.constants import SECONDS_PER_DAY
from skyrack.orchestrator.orbit.sun import sunlit
from skyrack.orchestrator.topology.geometry import Geometry

STEP_S = 60.0  # a stay that is shorter, of an orbit that grazes the shadow, may be missed
LOOK_S = 7200.0  # more than a low orbit
LOOK_AHEAD_S = 2 * SECONDS_PER_DAY


def eclipses(geometry: Geometry, node: int, first_s: float, last_s: float) -> list[Stay]:
    """Stays of a satellite in the cylindrical shadow in [first_s, last_s]: begin and end, orbit time, within 0.03 s.

    One that has begun before begins at `first_s`, one that goes on ends at `last_s`.
    """

    def dark(instants: NDArray[np.float64]) -> NDArray[np.bool_]:
        return ~sunlit(geometry.positions_of_km([node], instants)[:, 0], sun_at(geometry, instants))

    return stays(dark, first_s, last_s, STEP_S)


def next_eclipse_s(geometry: Geometry, node: int, t_s: float) -> float:
    """When a satellite next comes into the shadow after `t_s`, within LOOK_AHEAD_S. Raises ValueError."""
    first_s = t_s
    while first_s < t_s + LOOK_AHEAD_S:
        last_s = first_s + LOOK_S
        # A stay that goes on from the stretch before, or is under way at `t_s`, begins where this one does.
        begins_s = [begin_s for begin_s, _ in eclipses(geometry, node, first_s, last_s) if begin_s > first_s]
        if begins_s:
            return begins_s[0]
        first_s = last_s
    days = LOOK_AHEAD_S / SECONDS_PER_DAY
    raise ValueError(f"{geometry.names[node]} stays in the Sun for the next {days:g} days")
