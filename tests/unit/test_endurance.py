"""What is said of batteries before a run begins."""

from __future__ import annotations

import pytest

from skyrack.orchestrator.environment.eclipses import eclipses
from skyrack.orchestrator.environment.endurance import endurance_notes, longest_eclipse_s
from skyrack.orchestrator.scenario import Scenario, load_scenario
from skyrack.orchestrator.scenario.model.power import POWERED, Power
from skyrack.orchestrator.topology.geometry import Geometry

LOW_KM = 6378.137 + 550.0


def notes(radius_km: float = LOW_KM, **power: object) -> list[str]:
    return list(endurance_notes(Power(**power), [radius_km]))  # type: ignore[arg-type]


def test_the_longest_eclipse_is_longer_than_any_of_a_real_orbit_and_not_by_much() -> None:
    """Parameters, section 4: at 550 km at most 35.6 min. Iridium's 780 km: 35.2 min, of which plane 3 sees nearly all."""
    assert longest_eclipse_s(LOW_KM) / 60 == pytest.approx(35.6, abs=0.05)
    geometry = Geometry(load_scenario("iridium"))
    stays = eclipses(geometry, geometry.index_of("p3s00"), 1200.0, 9000.0)
    longest_s = max(end_s - start_s for start_s, end_s in stays)
    assert 0.98 < longest_s / longest_eclipse_s(6378.137 + 780.0) <= 1.002


def test_platforms_carry_their_own_peak_through_the_longest_eclipse_above_safe_mode() -> None:
    for platform, values in POWERED.items():
        assert notes(platform=platform) == [], platform
        power = Power(platform=platform)  # type: ignore[arg-type]
        drawn_wh = (values["bus_w"] + values["compute_peak_w"]) * longest_eclipse_s(LOW_KM) / 3600
        assert 0.27 < drawn_wh / power.discharge_efficiency_ratio / values["battery_wh"] < 0.33, platform
        lit_s = 5736.0 - longest_eclipse_s(LOW_KM)
        needed_w = values["bus_w"] + values["compute_peak_w"] + drawn_wh * 3600 / 0.9025 / lit_s
        assert needed_w < values["array_w"], f"{platform}'s arrays do not fill its battery again"


def test_a_battery_that_is_too_small_is_told_by_what_it_cannot_do() -> None:
    (said,) = notes(battery_wh=100)
    assert "does not carry the bus (200 W) through the longest eclipse, 35.6 min: 125 Wh would" in said
    (said,) = notes(battery_wh=400)
    assert "takes 78 % of the battery (400 Wh) though the computer is idle" in said
    assert list(endurance_notes(None, [LOW_KM])) == []
    assert Geometry(Scenario(version=1, name="x", shells=load_scenario("iridium").shells)).notes == ()
