"""Who can see whom: lasers past the Earth, satellites above a station's mask. TEME positions in km.

Comparisons are written so that NaN (a satellite that has decayed) sees nobody.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.orbit.constants import EARTH_RADIUS_KM
from skyrack.orchestrator.topology.pointing import turning_rad_s

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Indices = NDArray[np.int32]


# Ends whose distances from the Earth's centre differ by more are a relay's: a low satellite and a geostationary one.
RELAY_STEP_KM = 20_000.0


@dataclass(frozen=True, slots=True)
class States:
    """Positions `r_km` and velocities `v_km_s` (n, 3) of the satellites at one instant."""

    r_km: Floats
    v_km_s: Floats


@dataclass(frozen=True, slots=True)
class LaserLimits:
    """When a laser is lit: the line of sight clears `graze_altitude_km`, is no longer than `range_km`, and turns no
    faster than `pointing_rad_s` in the frame of either end. Relays' lasers have the line of sight as their only limit.

    The altitude is counted from a sphere of the Earth's equatorial radius: over the poles the ellipsoid lies up to
    21 km lower, so the test errs on the dark side.
    """

    graze_altitude_km: float
    range_km: float | None = None
    pointing_rad_s: float | None = None

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
        within = self.range_km - np.sqrt(length2)
        return clearance, np.where(_relay(a_km, b_km), np.inf, within)

    def pointing_margin_rad_s(self, states: States, a: Indices, b: Indices) -> tuple[Floats, Floats]:
        """How far (m,) lines between satellites a and b (m,) stay below the pointing limit, and how fast that changes.

        Satellites at one point have no line to turn: no margin, not a number.
        """
        assert self.pointing_rad_s is not None
        a_km, b_km = states.r_km[a], states.r_km[b]
        rate, change = turning_rad_s(a_km, states.v_km_s[a], b_km, states.v_km_s[b])
        relay = _relay(a_km, b_km)
        return np.where(relay, np.inf, self.pointing_rad_s - rate), np.where(relay, 0.0, change)

    def able(self, states: States, a: Indices, b: Indices) -> Flags:
        """Whether lasers (m,) between satellites a and b (m,) could carry light: sight, range and pointing."""
        lit = self.lit(states.r_km[a], states.r_km[b])
        if self.pointing_rad_s is not None:
            lit &= self.pointing_margin_rad_s(states, a, b)[0] >= 0.0
        return lit

    def lit(self, a_km: Floats, b_km: Floats) -> Flags:
        """Whether lasers (m,) between points (m, 3) are in sight and range."""
        clearance, within = self.margins_km(a_km, b_km)
        return (clearance >= 0.0) & (within >= 0.0)


def _relay(a_km: Floats, b_km: Floats) -> Flags:
    step_km: Floats = np.abs(np.linalg.norm(a_km, axis=1) - np.linalg.norm(b_km, axis=1))
    return step_km > RELAY_STEP_KM


@dataclass(frozen=True, slots=True)
class GroundLimits:
    """When a station sees a satellite: above `elevation_mask_deg` over the ellipsoid's horizon, or, when
    `range_km` is set, above the plain horizon and at most so far away. The mask may be each station's own (g,).
    """

    elevation_mask_deg: float | Floats
    range_km: float | None = None

    def margins_km(self, station_km: Floats, up: Floats, satellite_km: Floats) -> Floats:
        """How far (g, n) inside the limits of each station each satellite is: height over them, or range that is left.

        Negative out of sight. Arguments as of `visible`.
        """
        line = satellite_km[np.newaxis] - station_km[:, np.newaxis]
        height_km, length_km = np.einsum("ik,ijk->ij", up, line), np.linalg.norm(line, axis=-1)
        if self.range_km is not None:
            return np.asarray(np.minimum(height_km, self.range_km - length_km), dtype=np.float64)
        sine = np.sin(np.radians(np.broadcast_to(self.elevation_mask_deg, len(up))))
        return np.asarray(height_km - sine[:, np.newaxis] * length_km, dtype=np.float64)

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
            sine = np.sin(np.radians(np.broadcast_to(self.elevation_mask_deg, len(up))))
            seen = height_km[station, satellite] >= sine[station] * length_km
        else:
            seen = length_km <= self.range_km
        return station[seen].astype(np.int32), satellite[seen].astype(np.int32)
