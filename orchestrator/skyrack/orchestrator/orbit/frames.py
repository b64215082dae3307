"""TEME (the frame of SGP4), ITRF (fixed to the Earth) and geodetic coordinates.

TEME to ITRF is one rotation by Greenwich mean sidereal time (IAU 1982), as SGP4's authors define it (AIAA 2006-6753,
appendix C). Polar motion is neglected: at most 0.6 arcsec, 20 m on the ground.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skyrack.orchestrator.orbit.constants import EARTH_FLATTENING, EARTH_RADIUS_KM, EARTH_ROTATION_RAD_S
from skyrack.orchestrator.orbit.times import J2000_JD

Floats = NDArray[np.float64]

_E2 = EARTH_FLATTENING * (2.0 - EARTH_FLATTENING)


def gmst_rad(jd: float, fraction: ArrayLike) -> Floats:
    """Greenwich mean sidereal time at a split UT1 Julian date, radians in [0, 2 pi).

    IAU 1982 polynomial (AIAA 2006-6753 eq. C-5). The day's fraction turns separately from the slow terms, so that no
    precision is lost to the 876,600 hours per century.
    """
    days = jd - J2000_JD
    part = np.asarray(fraction, dtype=np.float64)
    century = (days + part) / 36525.0
    slow_s = 67310.54841 + century * (8640184.812866 + century * (0.093104 - century * 6.2e-6))
    turns = slow_s / 86400.0 + (days % 1.0) + part
    return np.asarray((turns % 1.0) * (2.0 * np.pi), dtype=np.float64)


def rotate_z(vectors: Floats, angle_rad: ArrayLike) -> Floats:
    """Vectors (..., 3) turned anticlockwise about the pole; `angle_rad` broadcasts over the leading axes."""
    cos, sin = np.cos(angle_rad), np.sin(angle_rad)
    x, y = vectors[..., 0], vectors[..., 1]
    return np.stack(np.broadcast_arrays(cos * x - sin * y, sin * x + cos * y, vectors[..., 2]), axis=-1)


def teme_to_itrf(
    r_teme_km: Floats, v_teme_km_s: Floats, jd_ut1: float, fraction: ArrayLike
) -> tuple[Floats, Floats]:
    """Position and velocity (..., 3) seen from the turning Earth. Without polar motion, see the module."""
    angle = -gmst_rad(jd_ut1, fraction)
    r_km = rotate_z(r_teme_km, angle)
    v_km_s = rotate_z(v_teme_km_s, angle)
    v_km_s[..., 0] += EARTH_ROTATION_RAD_S * r_km[..., 1]
    v_km_s[..., 1] -= EARTH_ROTATION_RAD_S * r_km[..., 0]
    return r_km, v_km_s


def geodetic_to_itrf_km(lat_deg: ArrayLike, lon_deg: ArrayLike, altitude_km: ArrayLike) -> Floats:
    """Points (..., 3) on or above the WGS84 ellipsoid."""
    lat, lon = np.radians(lat_deg), np.radians(lon_deg)
    height = np.asarray(altitude_km, dtype=np.float64)
    normal_km = EARTH_RADIUS_KM / np.sqrt(1.0 - _E2 * np.sin(lat) ** 2)
    across_km = (normal_km + height) * np.cos(lat)
    up_km = (normal_km * (1.0 - _E2) + height) * np.sin(lat)
    return np.stack(np.broadcast_arrays(across_km * np.cos(lon), across_km * np.sin(lon), up_km), axis=-1)


def up_vector(lat_deg: ArrayLike, lon_deg: ArrayLike) -> Floats:
    """Unit normals (..., 3) of the ellipsoid in ITRF: the direction a spirit level calls up."""
    lat, lon = np.radians(lat_deg), np.radians(lon_deg)
    across = np.cos(lat)
    return np.stack(np.broadcast_arrays(across * np.cos(lon), across * np.sin(lon), np.sin(lat)), axis=-1)


def itrf_to_geodetic(r_itrf_km: Floats) -> tuple[Floats, Floats, Floats]:
    """Latitude and longitude in degrees (longitude in -180..180) and altitude in km of points (..., 3).

    Fixed-point iteration on the latitude; five rounds reach 1e-12 rad from the surface to beyond GEO.
    """
    x, y, z = r_itrf_km[..., 0], r_itrf_km[..., 1], r_itrf_km[..., 2]
    across_km = np.hypot(x, y)
    lat = np.arctan2(z, across_km)
    correction_km = np.zeros_like(lat)
    for _ in range(5):
        sin = np.sin(lat)
        correction_km = EARTH_RADIUS_KM * _E2 * sin / np.sqrt(1.0 - _E2 * sin * sin)
        lat = np.arctan2(z + correction_km, across_km)
    sin = np.sin(lat)
    normal_km = EARTH_RADIUS_KM / np.sqrt(1.0 - _E2 * sin * sin)
    altitude_km = np.hypot(across_km, z + correction_km) - normal_km
    return np.degrees(lat), np.degrees(np.arctan2(y, x)), altitude_km
