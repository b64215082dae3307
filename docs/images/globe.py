"""The Earth as seen from far away: orthographic projection, land, graticule and night, as SVG path data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

EARTH_KM = 6378.137
DENSE_DEG = 3.0


@dataclass(frozen=True)
class View:
    """Looking straight down on a point of the Earth, north up; a sphere of EARTH_KM has `radius_px` on the page."""

    lat_deg: float
    lon_deg: float
    centre_px: tuple[float, float]
    radius_px: float

    @property
    def towards(self) -> Floats:
        """Unit vector (3,) from the Earth's centre to the eye, Earth-fixed."""
        return on_sphere(self.lat_deg, self.lon_deg)

    def project(self, itrf: ArrayLike) -> tuple[Floats, Floats]:
        """Page coordinates (n, 2) and height towards the eye (n,) of Earth-fixed points (n, 3), km both."""
        points = np.atleast_2d(np.asarray(itrf, dtype=np.float64))
        east = np.array([-np.sin(np.radians(self.lon_deg)), np.cos(np.radians(self.lon_deg)), 0.0])
        north = np.cross(self.towards, east)
        flat = np.stack([points @ east, -(points @ north)], axis=-1)
        return flat * (self.radius_px / EARTH_KM) + self.centre_px, points @ self.towards

    def land(self, rings: Iterable[Sequence[Sequence[float]]]) -> str:
        """Rings of (lon, lat) in degrees; what lies beyond the horizon is laid onto it."""
        parts = []
        for ring in rings:
            lon, lat = _dense(np.asarray(ring, dtype=np.float64)).T
            page, height = self.project(on_sphere(lat, lon) * EARTH_KM)
            if (height > 0).any():
                parts.append(
                    path(np.where(height[:, np.newaxis] > 0, page, self._to_limb(page)), closed=True)
                )
        return "".join(parts)

    def graticule(self, step_deg: int = 15) -> str:
        """Meridians and parallels, as far as they are in sight."""
        along = np.arange(-90.0, 90.1, DENSE_DEG)
        around = np.arange(-180.0, 180.1, DENSE_DEG)
        lines = [on_sphere(along[2:-2], np.full(len(along) - 4, lon)) for lon in range(-180, 180, step_deg)]
        lines += [on_sphere(np.full(len(around), lat), around) for lat in range(-90 + step_deg, 90, step_deg)]
        return "".join(part for line in lines for part in self._visible(line * EARTH_KM))

    def night(self, sun: Floats) -> str:
        """The dark side; `sun` is the Earth-fixed unit vector towards the Sun."""
        eye, turn = self.towards, np.linspace(0.0, np.pi, 91)[:, np.newaxis]
        limb = _unit(np.cross(eye, sun))  # where the terminator meets the horizon
        top = np.cross(sun, limb)
        top = top if top @ eye > 0 else -top
        dark = np.cross(eye, limb)
        dark = dark if dark @ sun < 0 else -dark
        terminator = np.cos(turn) * limb + np.sin(turn) * top
        horizon = np.cos(turn) * -limb + np.sin(turn) * dark
        return path(self.project(np.concatenate([terminator, horizon]) * EARTH_KM)[0], closed=True)

    def _to_limb(self, page: Floats) -> Floats:
        offset = page - self.centre_px
        reach = np.linalg.norm(offset, axis=1, keepdims=True)
        return offset / np.maximum(reach, 1e-9) * self.radius_px + self.centre_px

    def _visible(self, line_km: Floats) -> list[str]:
        page, height = self.project(line_km)
        edges = np.flatnonzero(np.diff(height > 0)) + 1
        pieces = zip(np.split(page, edges), np.split(height, edges), strict=True)
        return [path(piece) for piece, up in pieces if up[0] > 0 and len(piece) > 1]


def on_sphere(lat_deg: ArrayLike, lon_deg: ArrayLike) -> Floats:
    """Unit vectors (..., 3)."""
    lat, lon = np.radians(lat_deg), np.radians(lon_deg)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def path(points: Floats, *, closed: bool = False) -> str:
    """SVG path data through page points (n, 2), to a tenth of a pixel."""
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + ("Z" if closed else "")


def _dense(ring: Floats) -> Floats:
    """The ring with points no more than DENSE_DEG apart, so that long edges bend with the sphere.

    An edge takes the short way round: rings that cross the date line jump from 180 to -180 degrees.
    """
    pieces = []
    for a, step in zip(ring, np.roll(ring, -1, axis=0) - ring, strict=True):
        step[0] = (step[0] + 180.0) % 360.0 - 180.0
        count = max(1, int(np.ceil(np.abs(step).max() / DENSE_DEG)))
        pieces.append(a + step * np.arange(count)[:, np.newaxis] / count)
    return np.concatenate(pieces)


def _unit(vector: Floats) -> Floats:
    return vector / np.linalg.norm(vector)
