"""What the solar arrays give: P = P_peak * lit * cos(theta) * (1 - d)^years. Pure."""

from __future__ import annotations

from dataclasses import dataclass

YEAR_S = 365.25 * 86_400.0


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
