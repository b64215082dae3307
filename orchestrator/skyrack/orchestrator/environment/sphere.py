"""Distances along the ground."""

from __future__ import annotations

import math

RADIUS_KM = 6371.0


def distance_km(lat_a_deg: float, lon_a_deg: float, lat_b_deg: float, lon_b_deg: float) -> float:
    """Along a sphere of RADIUS_KM (haversine): within 0.6 % of the ellipsoid's."""
    a, b = math.radians(lat_a_deg), math.radians(lat_b_deg)
    half = math.sin((a - b) / 2) ** 2
    half += math.cos(a) * math.cos(b) * math.sin(math.radians(lon_a_deg - lon_b_deg) / 2) ** 2
    return 2.0 * RADIUS_KM * math.asin(min(1.0, math.sqrt(half)))
