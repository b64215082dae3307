"""Which satellites have a process: every way of saying so, and a clear message when it selects none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from skyrack.orchestrator.orbit.errors import InhabitedError
from skyrack.orchestrator.scenario import Scenario
from skyrack.orchestrator.topology.geometry import Geometry
from skyrack.orchestrator.topology.inhabited import spread

SHELL = {"planes": 6, "slots": 11, "walker": "star", "altitude_km": 780, "inclination_deg": 86.4}


def _geometry(inhabited: Any) -> Geometry:
    keys = {"version": 1, "name": "test", "shells": [SHELL], "ground": ["london"], "inhabited": inhabited}
    return Geometry(Scenario.model_validate(keys))


def _satellites(inhabited: Any) -> list[str]:
    geometry = _geometry(inhabited)
    assert geometry.inhabited[-1] == 66, "ground stations always have a process"
    assert (np.diff(geometry.inhabited) > 0).all()
    return [geometry.names[node] for node in geometry.inhabited[:-1]]


def test_all_list_and_count() -> None:
    assert len(_satellites("all")) == 66
    assert _satellites(["p5s10", "p0s03"]) == ["p0s03", "p5s10"]
    assert _satellites([]) == []
    assert len(_satellites({"count": 12})) == 12
    assert _satellites({"count": 0}) == []
    assert len(_satellites({"count": 500})) == 66


def test_a_count_spreads_over_the_sky() -> None:
    geometry = _geometry({"count": 12})
    chosen_km = geometry.positions_km(0.0)[geometry.inhabited[:-1]]
    apart_km = np.linalg.norm(chosen_km[:, np.newaxis] - chosen_km, axis=2)
    np.fill_diagonal(apart_km, np.inf)
    assert apart_km.min() > 4000.0, "two of twelve are next to each other"


def test_spread_chooses_nobody_twice_even_at_one_point() -> None:
    assert sorted(spread(np.zeros((5, 3)), 5).tolist()) == [0, 1, 2, 3, 4]


def test_a_box_selects_by_the_point_below_at_the_start() -> None:
    geometry = _geometry("all")
    lat_deg, lon_deg, _ = geometry.geodetic(0.0)
    box = {"lat_min_deg": 0, "lat_max_deg": 90, "lon_min_deg": -180, "lon_max_deg": 180}
    assert len(_satellites({"box": box})) == (lat_deg[:66] >= 0).sum()
    name, lat, lon = geometry.names[20], lat_deg[20], lon_deg[20]
    around = {"lat_min_deg": lat - 1, "lat_max_deg": lat + 1, "lon_min_deg": lon - 1, "lon_max_deg": lon + 1}
    assert name in _satellites({"box": around})


def test_a_box_may_cross_the_date_line() -> None:
    geometry = _geometry("all")
    _, lon_deg, _ = geometry.geodetic(0.0)
    box = {"lat_min_deg": -90, "lat_max_deg": 90, "lon_min_deg": 150, "lon_max_deg": -150}
    assert len(_satellites({"box": box})) == (np.abs(lon_deg[:66]) >= 150).sum()


def test_an_empty_box_names_the_nearest_satellite() -> None:
    box = {"lat_min_deg": 10, "lat_max_deg": 10.1, "lon_min_deg": 20, "lon_max_deg": 20.1}
    with pytest.raises(InhabitedError, match=r"nearest is p\ds\d\d"):
        _geometry({"box": box})


def test_an_unknown_name_says_what_may_have_been_meant() -> None:
    with pytest.raises(InhabitedError, match="did you mean 'p3s07'"):
        _geometry(["p3s7"])
