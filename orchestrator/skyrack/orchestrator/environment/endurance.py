"""Whether a battery carries its satellite through the longest eclipse. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator

from skyrack.orchestrator.orbit.constants import EARTH_RADIUS_KM, WGS72_MU_KM3_S2
from skyrack.orchestrator.scenario.model.power import Power

_J_PER_WH = 3600.0


def longest_eclipse_s(radius_km: float) -> float:
    """Of a circular orbit, in a cylindrical shadow: f = acos(sqrt(h^2 + 2Rh) / (R + h)) / pi of a period, at beta = 0."""
    ratio = math.acos(math.sqrt(radius_km**2 - EARTH_RADIUS_KM**2) / radius_km) / math.pi
    return ratio * 2 * math.pi * math.sqrt(radius_km**3 / WGS72_MU_KM3_S2)


def endurance_notes(power: Power | None, radii_km: list[float]) -> Iterator[str]:
    """What its user should know before an eclipse; `radii_km` are those of the orbits of satellites with a process."""
    if power is None or not radii_km:
        return
    dark_s = max(longest_eclipse_s(max(radius_km, EARTH_RADIUS_KM + 1.0)) for radius_km in radii_km)
    usable_j = power.battery_wh * _J_PER_WH * power.discharge_efficiency_ratio
    bus, idle = (watts * dark_s / usable_j for watts in (power.bus_w, power.bus_w + power.compute_idle_w))
    eclipse = f"the longest eclipse, {dark_s / 60:.1f} min"
    if bus > 1.0:
        yield (
            f"power: the battery ({power.battery_wh:g} Wh) does not carry the bus ({power.bus_w:g} W) through {eclipse}: "
            f"{power.battery_wh * bus:.0f} Wh would; an empty battery is counted as unserved energy"
        )
    elif 1.0 - idle < power.safe_below_ratio:
        yield (
            f"power: {eclipse}, takes {100 * idle:.0f} % of the battery ({power.battery_wh:g} Wh) though the computer is idle: "
            f"from full it goes below safe_below_ratio, {power.safe_below_ratio:g}, to safe mode in every orbit"
        )
