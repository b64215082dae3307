"""Where a node is between the knots of its ephemeris, and where that is over the Earth. Pure."""

import math
from dataclasses import dataclass

Vector = tuple[float, float, float]

# WGS84 ellipsoid (NIMA TR8350.2).
_A_KM = 6378.137
_F = 1 / 298.257223563
_B_KM = _A_KM * (1 - _F)
_E2 = _F * (2 - _F)
_EP2 = _E2 / (1 - _E2)


class OutsideEphemerisError(ValueError):
    """The instant lies before the first or after the last knot."""


@dataclass(frozen=True)
class Knots:
    """Evenly spaced positions (km) and velocities (km/s), Earth-fixed, from `first_t_s` on every `step_s`."""

    first_t_s: float
    step_s: float
    position_km: tuple[Vector, ...]
    velocity_km_s: tuple[Vector, ...]

    def __post_init__(self) -> None:
        if not self.position_km or len(self.position_km) != len(self.velocity_km_s):
            raise ValueError(f"{len(self.position_km)} positions with {len(self.velocity_km_s)} velocities")
        if len(self.position_km) > 1 and not self.step_s > 0:
            raise ValueError(f"knots every {self.step_s} s")

    @property
    def last_t_s(self) -> float:
        """Orbit time of the last knot."""
        return self.first_t_s + self.step_s * (len(self.position_km) - 1)

    def at(self, t_s: float) -> tuple[Vector, Vector]:
        """Position (km) and velocity (km/s) at orbit time `t_s`: cubic Hermite. Raises OutsideEphemerisError."""
        if not self.first_t_s <= t_s <= self.last_t_s:
            raise OutsideEphemerisError(
                f"t = {t_s:.3f} s is outside the ephemeris, {self.first_t_s:.3f} to {self.last_t_s:.3f} s"
            )
        if len(self.position_km) == 1:
            return self.position_km[0], self.velocity_km_s[0]
        k = min(int((t_s - self.first_t_s) / self.step_s), len(self.position_km) - 2)
        u = (t_s - self.first_t_s) / self.step_s - k
        return _hermite(
            self.position_km[k],
            self.velocity_km_s[k],
            self.position_km[k + 1],
            self.velocity_km_s[k + 1],
            self.step_s,
            u,
        )


def _hermite(
    p0: Vector, v0: Vector, p1: Vector, v1: Vector, step_s: float, u: float
) -> tuple[Vector, Vector]:
    """The cubic through both ends with their slopes, and its derivative; u in 0..1 over `step_s`."""
    h01 = u * u * (3 - 2 * u)
    h10 = u * (1 - u) * (1 - u) * step_s
    h11 = u * u * (u - 1) * step_s
    d01 = 6 * u * (1 - u) / step_s
    d10 = (1 - u) * (1 - 3 * u)
    d11 = u * (3 * u - 2)
    position = [a + h01 * (b - a) + h10 * va + h11 * vb for a, va, b, vb in zip(p0, v0, p1, v1, strict=True)]
    velocity = [d01 * (b - a) + d10 * va + d11 * vb for a, va, b, vb in zip(p0, v0, p1, v1, strict=True)]
    return (position[0], position[1], position[2]), (velocity[0], velocity[1], velocity[2])


def geodetic(position_km: Vector) -> tuple[float, float, float]:
    """Latitude and longitude (degrees) and height (km) over the WGS84 ellipsoid.

    Bowring's formula, iterated (Survey Review 23/181, 1976); from the surface to the Moon within a micrometre.
    """
    x, y, z = position_km
    p = math.hypot(x, y)
    sin_u, cos_u = _unit(z * _A_KM, p * _B_KM)
    for _ in range(3):
        sin_lat, cos_lat = _unit(z + _EP2 * _B_KM * sin_u**3, p - _E2 * _A_KM * cos_u**3)
        sin_u, cos_u = _unit((1 - _F) * sin_lat, cos_lat)
    height_km = p * cos_lat + z * sin_lat - _A_KM * math.sqrt(1 - _E2 * sin_lat * sin_lat)
    return math.degrees(math.atan2(sin_lat, cos_lat)), math.degrees(math.atan2(y, x)), height_km


def _unit(sine: float, cosine: float) -> tuple[float, float]:
    length = math.hypot(sine, cosine)
    return (sine / length, cosine / length) if length else (0.0, 1.0)
