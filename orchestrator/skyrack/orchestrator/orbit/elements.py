"""One satellite's mean elements, ready for SGP4, and its place in the constellation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from sgp4.api import WGS72, Satrec

from skyrack.orchestrator.orbit.constants import WGS72_J2, WGS72_MU_KM3_S2, WGS72_RADIUS_KM
from skyrack.orchestrator.orbit.times import as_utc

_SGP4_EPOCH = datetime(1949, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Element:
    """A satellite: name, SGP4 record, and plane and slot in its shell (-1 when unknown)."""

    name: str
    satrec: Satrec
    shell: int = -1
    plane: int = -1
    slot: int = -1


def satrec_from_elements(
    *,
    number: int,
    epoch: datetime,
    mean_motion_rad_min: float,
    eccentricity: float,
    inclination_deg: float,
    raan_deg: float,
    arg_perigee_deg: float,
    mean_anomaly_deg: float,
) -> Satrec:
    """An SGP4 record (WGS72, no drag) from mean elements; `mean_motion_rad_min` is Kozai's, as in a TLE."""
    satrec = Satrec()
    satrec.sgp4init(
        WGS72,
        "i",
        number,
        (as_utc(epoch) - _SGP4_EPOCH).total_seconds() / 86400.0,
        0.0,
        0.0,
        0.0,
        eccentricity,
        np.radians(arg_perigee_deg % 360.0),
        np.radians(inclination_deg),
        np.radians(mean_anomaly_deg % 360.0),
        mean_motion_rad_min,
        np.radians(raan_deg % 360.0),
    )
    return satrec


def kozai_mean_motion_rad_min(
    semi_major_axis_km: float, eccentricity: float, inclination_deg: float
) -> float:
    """The mean motion a TLE must carry for SGP4 to recover this (Brouwer mean) semi-major axis.

    SGP4 starts by removing Kozai's J2 term from the mean motion it is given (AIAA 2006-6753, initl); feeding it the
    Keplerian value would put a polar orbit 5 km too high. This inverts that step by fixed-point iteration.
    """
    xke = 60.0 / np.sqrt(WGS72_RADIUS_KM**3 / WGS72_MU_KM3_S2)
    target = xke / (semi_major_axis_km / WGS72_RADIUS_KM) ** 1.5
    one_minus_e2 = 1.0 - eccentricity**2
    cos_i = np.cos(np.radians(inclination_deg))
    d1 = 0.75 * WGS72_J2 * (3.0 * cos_i**2 - 1.0) / (np.sqrt(one_minus_e2) * one_minus_e2)
    kozai = target
    for _ in range(20):
        ak = (xke / kozai) ** (2.0 / 3.0)
        d = d1 / ak**2
        adjusted = ak * (1.0 - d * d - d * (1.0 / 3.0 + 134.0 * d * d / 81.0))
        kozai = target * (1.0 + d1 / adjusted**2)
    return float(kozai)
