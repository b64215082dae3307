"""Where the Sun stands over a satellite, and how far the Earth is, at any instant of orbit time. Pure.

Within the ephemeris that it was told the satellite is where that says; before and after it, as in a jump of the clock or where
the orbits turn so fast that the last ephemeris begins after the last look, it goes on evenly around the Earth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from skyrack.node.knowledge import Knowledge
from skyrack.node.position import Vector

EARTH_RATE_RAD_S = 7.292115e-5  # WGS84


@dataclass(frozen=True)
class Outlook:
    """`zenith_cos`: cosine of the Sun's angle from the zenith; `radius_km`: the distance from the Earth's centre."""

    zenith_cos: float
    radius_km: float


UNKNOWN = Outlook(zenith_cos=0.0, radius_km=6928.0)  # over the terminator, 550 km up


def outlook(knowledge: Knowledge, t_s: float) -> Outlook:
    """At orbit time `t_s`; UNKNOWN where nobody has said where the Sun is."""
    surroundings = knowledge.surroundings
    if surroundings is None or len(surroundings.sun_itrf) != 3:
        return UNKNOWN
    known_s = knowledge.nearest_t_s(t_s)
    position_km, velocity_km_s = knowledge.at(known_s)
    x, y, z = surroundings.sun_itrf
    # Both in the Earth-fixed axes of `known_s`, held still from then on.
    sun = turned((x, y, z), known_s - knowledge.epoch.t0_s)
    if t_s != known_s:
        position_km = carried(position_km, velocity_km_s, t_s - known_s)
    return Outlook(zenith_cos(position_km, sun), math.hypot(*position_km))


def zenith_cos(position_km: Vector, sun: Vector) -> float:
    """Cosine between the direction away from the Earth and that of the Sun, both in the same axes."""
    return _dot(position_km, sun) / (math.hypot(*position_km) * math.hypot(*sun))


def turned(sun_itrf: Vector, for_s: float) -> Vector:
    """The Sun's Earth-fixed direction so much later: the Earth turns under it."""
    angle = -EARTH_RATE_RAD_S * for_s
    x, y, z = sun_itrf
    return x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle), z


def carried(position_km: Vector, velocity_km_s: Vector, for_s: float) -> Vector:
    """Where a circular orbit leads in `for_s` (earlier where negative), in axes that do not turn with the Earth any more.

    `velocity_km_s` is that against the turning Earth, as an ephemeris has it. Of an orbit of 550 km it is some degrees off
    after half a day: the plane has turned, and the mean motion is not that of the instant.
    """
    x, y, _ = position_km
    vx, vy, vz = velocity_km_s
    momentum = _cross(position_km, (vx - EARTH_RATE_RAD_S * y, vy + EARTH_RATE_RAD_S * x, vz))
    strength = math.hypot(*momentum)
    if not strength:
        return position_km
    radius_km = math.hypot(*position_km)
    across = _cross(momentum, position_km)  # a quarter of an orbit ahead, times `strength`
    angle = strength / radius_km**2 * for_s
    cosine, sine = math.cos(angle), math.sin(angle) / strength
    px, py, pz = (cosine * a + sine * b for a, b in zip(position_km, across, strict=True))
    return px, py, pz


def _dot(a: Vector, b: Vector) -> float:
    return sum(one * other for one, other in zip(a, b, strict=True))


def _cross(a: Vector, b: Vector) -> Vector:
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]
