"""Who can see whom: lasers past the Earth, satellites above a station's mask. TEME positions in km.

Comparisons are written so that NaN (a satellite that has decayed) sees nobody.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.orbit.constants import EARTH_RADIUS_KM

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Indices = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class LaserLimits:
    """When a laser is lit: the line of sight clears `graze_altitude_km`, and is no longer than `range_km`.

    The altitude is counted from a sphere of the Earth's equatorial radius: over the poles the ellipsoid lies up to
    21 km lower, so the test errs on the dark side.
    """

    graze_altitude_km: float
    range_km: float | None = None

    def margins_km(self, a_km: Floats, b_km: Floats) -> tuple[Floats, Floats]:
        """How far (m,) the lines between points (m, 3) clear the atmosphere, and how far they are within range."""
        line = b_km - a_km
        length2 = np.einsum("ij,ij->i", line, line)
        # Nearest point of the segment to the Earth's centre.
        along = -np.einsum("ij,ij->i", a_km, line)
        part = np.clip(along / np.where(length2 > 0.0, length2, 1.0), 0.0, 1.0)
        nearest = a_km + part[:, np.newaxis] * line
        clearance = np.sqrt(np.einsum("ij,ij->i", nearest, nearest)) - (
            EARTH_RADIUS_KM + self.graze_altitude_km
        )
        if self.range_km is None:
            return clearance, np.where(np.isnan(clearance), np.nan, np.inf)
        return clearance, self.range_km - np.sqrt(length2)

    def lit(self, a_km: Floats, b_km: Floats) -> Flags:
        """Whether lasers (m,) between points (m, 3) are lit."""
        clearance, within = self.margins_km(a_km, b_km)
        return (clearance >= 0.0) & (within >= 0.0)


@dataclass(frozen=True, slots=True)
class GroundLimits:
    """When a station sees a satellite: above `elevation_mask_deg` over the ellipsoid's horizon, or, when
    `range_km` is set, above the plain horizon and at most so far away.
    """

    elevation_mask_deg: float
    range_km: float | None = None

    def visible(self, station_km: Floats, up: Floats, satellite_km: Floats) -> tuple[Indices, Indices]:
        """(station, satellite) index pairs in sight, sorted.

        Stations (g, 3) with up vectors (g, 3), satellites (n, 3), all in one frame.
        """
        # Height over each station's horizontal plane, for all pairs by one matrix product: most lie below.
        height_km = up @ satellite_km.T
        height_km -= np.einsum("ij,ij->i", up, station_km)[:, np.newaxis]
        station, satellite = np.nonzero(height_km >= 0.0)
        line = satellite_km[satellite] - station_km[station]
        length_km = np.sqrt(np.einsum("ij,ij->i", line, line))
        if self.range_km is None:
            seen = height_km[station, satellite] >= np.sin(np.radians(self.elevation_mask_deg)) * length_km
        else:
            seen = length_km <= self.range_km
        return station[seen].astype(np.int32), satellite[seen].astype(np.int32)
