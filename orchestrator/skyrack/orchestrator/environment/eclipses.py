"""When a satellite will be in the Earth's shadow."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.orbit.constants import SECONDS_PER_DAY
from skyrack.orchestrator.orbit.sun import sun_direction, sunlit
from skyrack.orchestrator.orbit.times import julian_date
from skyrack.orchestrator.topology.geometry import Geometry

STEP_S = 60.0  # a stay that is shorter, of an orbit that grazes the shadow, may be missed
LOOK_S = 7200.0  # more than a low orbit
LOOK_AHEAD_S = 2 * SECONDS_PER_DAY
_FINER = 33  # instants in a step, both ends included
_ROUNDS = 2  # 60 s / 32 / 32: 0.06 s


def eclipses(geometry: Geometry, node: int, first_s: float, last_s: float) -> list[tuple[float, float]]:
    """Stays of a satellite in the cylindrical shadow in [first_s, last_s]: begin and end, orbit time, within 0.03 s.

    One that has begun before begins at `first_s`, one that goes on ends at `last_s`.
    """
    instants = np.linspace(first_s, last_s, max(2, round((last_s - first_s) / STEP_S) + 1))
    dark = _dark(geometry, node, instants)
    turns_s = [
        _turn_s(geometry, node, float(instants[i]), float(instants[i + 1]))
        for i in np.nonzero(dark[1:] != dark[:-1])[0]
    ]
    bounds_s = [first_s, *turns_s, last_s]
    return list(pairwise(bounds_s))[0 if dark[0] else 1 :: 2]


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


def _turn_s(geometry: Geometry, node: int, first_s: float, last_s: float) -> float:
    """The one change between two instants that differ."""
    for _ in range(_ROUNDS):
        instants = np.linspace(first_s, last_s, _FINER)
        dark = _dark(geometry, node, instants)
        i = int(np.argmax(dark != dark[0]))
        first_s, last_s = float(instants[i - 1]), float(instants[i])
    return (first_s + last_s) / 2.0


def _dark(geometry: Geometry, node: int, instants: NDArray[np.float64]) -> NDArray[np.bool_]:
    jd, fraction = julian_date(geometry.start)
    sun = sun_direction(jd, fraction + instants / SECONDS_PER_DAY)
    return ~sunlit(geometry.positions_of_km([node], instants)[:, 0], sun)
