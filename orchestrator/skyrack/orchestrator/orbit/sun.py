"""Where the Sun is, and whether it shines on a satellite.

Low-precision Sun of the Astronomical Almanac (page C5): 0.01 deg from 1950 to 2050, referred to the equinox of date,
which TEME's differs from by nutation (below 0.005 deg). Shadow: a cylinder of the Earth's equatorial radius; the true
penumbra blurs entry and exit by some 8 s in a low orbit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skyrack.orchestrator.orbit.constants import EARTH_RADIUS_KM
from skyrack.orchestrator.orbit.times import J2000_JD

Floats = NDArray[np.float64]


def mean_longitude_deg(jd: float, fraction: float) -> float:
    """Mean longitude of the Sun, corrected for aberration, degrees: the right ascension of the mean Sun."""
    return (280.460 + 0.9856474 * (jd - J2000_JD + fraction)) % 360.0


def sun_direction(jd: float, fraction: ArrayLike) -> Floats:
    """Unit vectors (..., 3) from the Earth to the Sun, true equator and equinox of date."""
    days = jd - J2000_JD + np.asarray(fraction, dtype=np.float64)
    anomaly = np.radians(357.528 + 0.9856003 * days)
    longitude = np.radians(
        280.460 + 0.9856474 * days + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2.0 * anomaly)
    )
    obliquity = np.radians(23.439 - 0.0000004 * days)
    sin_longitude = np.sin(longitude)
    return np.stack(
        [np.cos(longitude), np.cos(obliquity) * sin_longitude, np.sin(obliquity) * sin_longitude], axis=-1
    )


def sunlit(r_teme_km: Floats, sun: Floats) -> NDArray[np.bool_]:
    """Whether satellites (..., 3) stand outside the Earth's cylindrical shadow; `sun` is a unit vector.

    In eclipse when r.s < 0 and |r - (r.s) s| < R.
    """
    along_km = (r_teme_km * sun).sum(axis=-1)
    across_km = np.linalg.norm(r_teme_km - along_km[..., np.newaxis] * sun, axis=-1)
    return np.asarray(~((along_km < 0.0) & (across_km < EARTH_RADIUS_KM)), dtype=np.bool_)


def eclipse_fraction(altitude_km: float, beta_deg: float) -> float:
    """Share of a circular orbit spent in the cylindrical shadow at a beta angle (Sun above the orbital plane)."""
    radius_km = EARTH_RADIUS_KM + altitude_km
    beta = abs(np.radians(beta_deg))
    if beta >= np.arcsin(EARTH_RADIUS_KM / radius_km):
        return 0.0
    reach_km = np.sqrt(altitude_km**2 + 2.0 * EARTH_RADIUS_KM * altitude_km)
    return float(np.arccos(reach_km / (radius_km * np.cos(beta))) / np.pi)
