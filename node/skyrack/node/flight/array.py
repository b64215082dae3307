"""What the solar arrays give: P = P_peak * lit * cos(theta) * (1 - d)^years. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from skyrack.node.position import Vector

YEAR_S = 365.25 * 86_400.0
EARTH_RATE_RAD_S = 7.292115e-5  # WGS84


@dataclass(frozen=True)
class Array:
    """`mount`: `sun` follows the Sun, `zenith` is fixed on the side that faces away from the Earth."""

    peak_w: float
    mount: str
    age_years: float
    degradation_per_year_ratio: float

    def power_w(self, t_s: float, *, lit: bool, zenith_cos: float) -> float:
        """At orbit time `t_s`, with the Sun at that cosine from the zenith."""
        if not lit:
            return 0.0
        cosine = 1.0 if self.mount == "sun" else max(0.0, zenith_cos)
        years = self.age_years + t_s / YEAR_S
        return float(self.peak_w * cosine * (1.0 - self.degradation_per_year_ratio) ** years)


def zenith_cos(position_km: Vector, sun_itrf: Vector) -> float:
    """Cosine between the direction away from the Earth and that of the Sun, both Earth-fixed."""
    dot = sum(a * b for a, b in zip(position_km, sun_itrf, strict=True))
    return dot / (math.hypot(*position_km) * math.hypot(*sun_itrf))


def turned(sun_itrf: Vector, for_s: float) -> Vector:
    """The Sun's Earth-fixed direction so much later: the Earth turns under it."""
    angle = -EARTH_RATE_RAD_S * for_s
    x, y, z = sun_itrf
    return x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle), z
