"""Ground stations: fixed on the ellipsoid, turned into TEME with the Earth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.orbit.frames import geodetic_to_itrf_km, up_vector
from skyrack.orchestrator.scenario.model.ground import GroundStation

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Stations:
    """`itrf_km` (g, 3) and up vectors `up_itrf` (g, 3), with the geodetic coordinates they came from (g,)."""

    names: tuple[str, ...]
    itrf_km: Floats
    up_itrf: Floats
    lat_deg: Floats
    lon_deg: Floats
    altitude_km: Floats

    @classmethod
    def of(cls, ground: Sequence[GroundStation]) -> Stations:
        lat_deg = np.array([station.lat_deg for station in ground], dtype=np.float64)
        lon_deg = np.array([station.lon_deg for station in ground], dtype=np.float64)
        altitude_km = np.array([station.altitude_m for station in ground], dtype=np.float64) / 1e3
        return cls(
            tuple(station.name for station in ground),
            geodetic_to_itrf_km(lat_deg, lon_deg, altitude_km),
            up_vector(lat_deg, lon_deg),
            lat_deg,
            lon_deg,
            altitude_km,
        )
