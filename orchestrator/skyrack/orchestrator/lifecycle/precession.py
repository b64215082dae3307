"""How fast planes turn: the secular drift of the ascending node by the Earth's oblateness.

    d(RAAN)/dt = -3/2 n J2 (R / p)^2 cos i        p = a for circular orbits, n = sqrt(mu / a^3)

(Vallado, Fundamentals of Astrodynamics and Applications, 4th ed., eq. 9-38.) A satellite lower than its plane turns faster
than it, so that it drifts from plane to plane and burns nothing on the way.
"""

from __future__ import annotations

import math

from skyrack.orchestrator.orbit.constants import (
    EARTH_RADIUS_KM,
    SECONDS_PER_DAY,
    WGS72_J2,
    WGS72_MU_KM3_S2,
    WGS72_RADIUS_KM,
)


def nodal_rate_deg_day(altitude_km: float, inclination_deg: float) -> float:
    """Drift of the node of a circular orbit, degrees a day, westward negative."""
    a_km = EARTH_RADIUS_KM + altitude_km
    return math.degrees(_strength(inclination_deg) * a_km**-3.5) * SECONDS_PER_DAY


def relative_rate_deg_day(parking_km: float, altitude_km: float, inclination_deg: float) -> float:
    """How fast the node of an orbit at `parking_km` moves against that of one at `altitude_km`."""
    return nodal_rate_deg_day(parking_km, inclination_deg) - nodal_rate_deg_day(altitude_km, inclination_deg)


def raising_drift_deg(
    parking_km: float, altitude_km: float, inclination_deg: float, raising_km_day: float
) -> float:
    """How far the node moves against that of the orbit at `altitude_km` while thrust raises it at a steady rate to there.

    The integral of a^-7/2 over the climb, less the target's own drift in the same time.
    """
    low_km, high_km = EARTH_RADIUS_KM + parking_km, EARTH_RADIUS_KM + altitude_km
    climb = (low_km**-2.5 - high_km**-2.5) / 2.5  # of a^-7/2 over a
    own_rad = _strength(inclination_deg) * climb / (raising_km_day / SECONDS_PER_DAY)
    days = (altitude_km - parking_km) / raising_km_day
    return math.degrees(own_rad) - nodal_rate_deg_day(altitude_km, inclination_deg) * days


def _strength(inclination_deg: float) -> float:
    """Of the drift in rad/s, times a^(7/2)."""
    return (
        -1.5
        * math.sqrt(WGS72_MU_KM3_S2)
        * WGS72_J2
        * WGS72_RADIUS_KM**2
        * math.cos(math.radians(inclination_deg))
    )
