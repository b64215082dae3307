"""A region of the ground: a polygon whose edges are straight in latitude and longitude."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skyrack.orchestrator.environment.sphere import around_a_pole, turns_deg

Corner = tuple[float, float]  # latitude and longitude, deg


class Region:
    """`corners` (latitude, longitude) in deg, in order, three or more; the last joins the first.

    An edge goes the shorter way around the Earth, over the date line if that is shorter. A region may not hold a pole.
    """

    def __init__(self, corners: Sequence[Corner]) -> None:
        assert len(corners) >= 3
        lat_deg, lon_deg = np.array(corners, dtype=np.float64).T
        assert not around_a_pole(lon_deg.tolist())
        turns = turns_deg(lon_deg.tolist())
        self._lat_deg = lat_deg
        self._lon_deg = lon_deg[0] + np.concatenate([[0.0], np.cumsum(turns)[:-1]])  # runs on over 180
        self._west_deg = self._lon_deg.min()

    def far(self, lat_deg: ArrayLike, lon_deg: ArrayLike, margin_deg: float) -> NDArray[np.bool_]:
        """Points (...) from which no way of `margin_deg` on the sphere leads inside; not all of them, and quickly told."""
        lat, least, most = (
            np.asarray(lat_deg),
            self._lat_deg.min() - margin_deg,
            self._lat_deg.max() + margin_deg,
        )
        widest = np.cos(np.radians(min(max(-least, most), 89.0)))  # of the parallels that are near
        apart = margin_deg / widest
        lon = (np.asarray(lon_deg) - self._west_deg + apart) % 360.0
        return np.asarray(
            (lat < least) | (lat > most) | (lon > self._lon_deg.max() - self._west_deg + 2.0 * apart)
        )

    def holds(self, lat_deg: ArrayLike, lon_deg: ArrayLike) -> NDArray[np.bool_]:
        """Which points (...) lie inside; of points on an edge, those that have the inside to the north or east."""
        lat = np.asarray(lat_deg, dtype=np.float64)
        lon = self._west_deg + (np.asarray(lon_deg, dtype=np.float64) - self._west_deg) % 360.0
        inside = np.zeros(np.broadcast_shapes(lat.shape, lon.shape), dtype=np.bool_)
        ends = zip(np.roll(self._lat_deg, -1), np.roll(self._lon_deg, -1), strict=True)
        for lat_a, lon_a, (lat_b, lon_b) in zip(self._lat_deg, self._lon_deg, ends, strict=True):
            if lat_a != lat_b:  # edges that a ray to the east meets
                crossed = (lat_a > lat) != (lat_b > lat)
                inside ^= crossed & (lon < lon_a + (lat - lat_a) * (lon_b - lon_a) / (lat_b - lat_a))
        return inside
