"""Distances and directions along the ground."""

from __future__ import annotations

import math
from collections.abc import Sequence

RADIUS_KM = 6371.0


def distance_km(lat_a_deg: float, lon_a_deg: float, lat_b_deg: float, lon_b_deg: float) -> float:
    """Along a sphere of RADIUS_KM (haversine): within 0.6 % of the ellipsoid's."""
    a, b = math.radians(lat_a_deg), math.radians(lat_b_deg)
    half = math.sin((a - b) / 2) ** 2
    half += math.cos(a) * math.cos(b) * math.sin(math.radians(lon_a_deg - lon_b_deg) / 2) ** 2
    return 2.0 * RADIUS_KM * math.asin(min(1.0, math.sqrt(half)))


def turns_deg(lon_deg: Sequence[float]) -> list[float]:
    """From each longitude to the next, and from the last to the first: the shorter way around, -180 to 180.

    Their sum is 0, or 360 either way for corners that go around a pole.
    """
    return [
        (after - before + 180.0) % 360.0 - 180.0
        for before, after in zip(lon_deg, [*lon_deg[1:], lon_deg[0]], strict=True)
    ]


def around_a_pole(lon_deg: Sequence[float]) -> bool:
    """Whether corners at these longitudes go around a pole."""
    return abs(sum(turns_deg(lon_deg))) > 180.0
