"""Temperature of a computer and its radiator: C dT/dt = P - eps sigma A (T^4 - T_space^4), P all that warms it. Pure.

With constant P this has a closed form, t(T), which is solved for T, so a step of any length is as good as many small ones:

    T_eq^4 = T_space^4 + P / (eps sigma A),  k = eps sigma A / C
    4 k T_eq^3 t = [ln |(T_eq + T) / (T_eq - T)| + 2 arctan(T / T_eq)] from T_0 to T
"""

from __future__ import annotations

import math
from dataclasses import dataclass

SIGMA_W_M2_K4 = 5.670374419e-8
ZERO_C_K = 273.15
SOLAR_W_M2 = 1361.0
ALBEDO = 0.3
EARTH_INFRARED_W_M2 = 237.0
EARTH_RADIUS_KM = 6378.137
_NEAR = 1e-12  # of T_eq: nearer is there
_HALVINGS = 64


@dataclass(frozen=True)
class Radiator:
    """`area_m2`: all that radiates, both sides where both do."""

    area_m2: float
    emissivity: float
    sink_k: float
    heat_capacity_j_per_k: float

    def radiated_w(self, temperature_k: float) -> float:
        """Net, towards the sink."""
        return self.emissivity * SIGMA_W_M2_K4 * self.area_m2 * (temperature_k**4 - self.sink_k**4)

    def equilibrium_k(self, power_w: float) -> float:
        """Where it settles with so much heat."""
        per_k4 = self.emissivity * SIGMA_W_M2_K4 * self.area_m2
        return float((self.sink_k**4 + power_w / per_k4) ** 0.25)

    def time_constant_s(self, temperature_k: float) -> float:
        """Of small departures from an equilibrium: C / (4 eps sigma A T^3)."""
        per_k4 = self.emissivity * SIGMA_W_M2_K4 * self.area_m2
        return float(self.heat_capacity_j_per_k / (4.0 * per_k4 * temperature_k**3))

    def after_k(self, temperature_k: float, power_w: float, dt_s: float) -> float:
        """Temperature after `dt_s` with constant power."""
        settled_k = self.equilibrium_k(power_w)
        apart = 1.0 - temperature_k / settled_k
        if dt_s <= 0.0 or abs(apart) < _NEAR:
            return temperature_k
        # With x = T / T_eq: g(x) = ln((1 + x) / |1 - x|) + 2 arctan x grows by dt / tau on the way to x = 1.
        goal = _way(apart) + dt_s / self.time_constant_s(settled_k)
        sign, near, far = math.copysign(1.0, apart), math.log(_NEAR), math.log(abs(apart))
        if _way(sign * _NEAR) <= goal:
            return settled_k
        for _ in range(_HALVINGS):
            middle = (near + far) / 2
            if _way(sign * math.exp(middle)) > goal:
                near = middle
            else:
                far = middle
        return settled_k * (1.0 - sign * math.exp((near + far) / 2))


def _way(apart: float) -> float:
    """g at x = 1 - apart."""
    x = 1.0 - apart
    return math.log((1.0 + x) / abs(apart)) + 2.0 * math.atan(x)


@dataclass(frozen=True)
class Exposure:
    """Surfaces of the same body that take heat up from outside."""

    sun_area_m2: float
    sun_absorptivity: float
    earth_area_m2: float
    emissivity: float

    def absorbed_w(self, *, lit: bool, zenith_cos: float, radius_km: float) -> float:
        """Sun, sunlight that the Earth returns, and the Earth's own infrared, at a distance from its centre."""
        view = (EARTH_RADIUS_KM / max(radius_km, EARTH_RADIUS_KM)) ** 2
        infrared_w = self.emissivity * self.earth_area_m2 * EARTH_INFRARED_W_M2 * view
        if not lit:
            return infrared_w
        albedo_w = (
            self.sun_absorptivity * self.earth_area_m2 * ALBEDO * SOLAR_W_M2 * view * max(0.0, zenith_cos)
        )
        return infrared_w + albedo_w + self.sun_absorptivity * self.sun_area_m2 * SOLAR_W_M2
