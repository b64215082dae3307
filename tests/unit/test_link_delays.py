"""Delays of links by plan, for the table of a verification."""

from __future__ import annotations

from pathlib import Path

import pytest

from skyrack.orchestrator.measure.link_delays import planned_delays_s

SCENARIO = "version: 1\nextends: iridium\nname: planned\nspeed: 2\n"


def test_links_in_force_have_the_delays_of_the_orbits(tmp_path: Path) -> None:
    file = tmp_path / "scenario.yaml"
    file.write_text(SCENARIO)
    found = planned_delays_s(file, 5.0)
    assert sum(not set(name.split(" - ")) & {"london", "tokyo", "nairobi"} for name in found) == 121
    assert found["p0s00 - p0s01"] == pytest.approx(0.013454, abs=5e-5)  # chord of 780 km, a turn of 11
    assert planned_delays_s(file, 50.0)["p0s00 - p1s00"] != found["p0s00 - p1s00"]


def test_links_without_delay_have_none(tmp_path: Path) -> None:
    file = tmp_path / "scenario.yaml"
    file.write_text(SCENARIO + "links: {zero_delay: true}\n")
    assert set(planned_delays_s(file, 5.0).values()) == {0.0}


def test_a_run_whose_scenario_is_gone_has_no_plan_to_show(tmp_path: Path) -> None:
    assert planned_delays_s(tmp_path / "gone.yaml", 5.0) == {}
