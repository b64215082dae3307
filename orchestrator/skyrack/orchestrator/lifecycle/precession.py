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
    n_rad_s = math.sqrt(WGS72_MU_KM3_S2 / a_km**3)
    turn_rad_s = (
        -1.5 * n_rad_s * WGS72_J2 * (WGS72_RADIUS_KM / a_km) ** 2 * math.cos(math.radians(inclination_deg))
    )
    return math.degrees(turn_rad_s) * SECONDS_PER_DAY


def relative_rate_deg_day(parking_km: float, altitude_km: float, inclination_deg: float) -> float:
    """How fast the node of an orbit at `parking_km` moves against that of one at `altitude_km`."""
    return nodal_rate_deg_day(parking_km, inclination_deg) - nodal_rate_deg_day(altitude_km, inclination_deg)
