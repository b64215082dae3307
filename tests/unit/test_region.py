"""Regions of the ground: inside is inside, over the date line too."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from skyrack.orchestrator.environment.region import Region
from skyrack.orchestrator.scenario.model.environment import ANOMALY, Environment

BOX = Region(ANOMALY)
PACIFIC = Region([(-10.0, 170.0), (-10.0, -160.0), (10.0, -160.0), (10.0, 170.0)])
TRIANGLE = Region([(0.0, 0.0), (0.0, 40.0), (40.0, 0.0)])

lats, lons = st.floats(-90.0, 90.0), st.floats(-180.0, 180.0)


@given(lats, lons)
def test_the_default_anomaly_is_its_box(lat_deg: float, lon_deg: float) -> None:
    inside = -45.0 <= lat_deg < -15.0 and -90.0 <= lon_deg < 40.0
    assert bool(BOX.holds(lat_deg, lon_deg)) is inside


@given(lats, lons)
def test_a_region_over_the_date_line_holds_what_lies_on_both_sides(lat_deg: float, lon_deg: float) -> None:
    inside = -10.0 <= lat_deg < 10.0 and (lon_deg >= 170.0 or lon_deg < -160.0)
    assert bool(PACIFIC.holds(lat_deg, lon_deg)) is inside


@given(lats, lons, st.floats(-180.0, 180.0), st.sampled_from([1, -1]))
def test_turning_region_and_point_together_changes_nothing(
    lat_deg: float, lon_deg: float, turn_deg: float, order: int
) -> None:
    corners = [(lat, (lon + turn_deg + 180.0) % 360.0 - 180.0) for lat, lon in ANOMALY[::order]]
    turned_deg = (lon_deg + turn_deg + 180.0) % 360.0 - 180.0
    edges = min(abs((lon_deg - edge + 180.0) % 360.0 - 180.0) for edge in (-90.0, 40.0))
    if edges > 1e-6:  # where rounding does not decide
        assert bool(Region(corners).holds(lat_deg, turned_deg)) is bool(BOX.holds(lat_deg, lon_deg))


def test_edges_are_straight_in_latitude_and_longitude() -> None:
    lat_deg, lon_deg = np.array([10.0, 10.0, 19.0, 21.0]), np.array([29.0, 31.0, 20.0, 20.0])
    assert TRIANGLE.holds(lat_deg, lon_deg).tolist() == [True, False, True, False]


@pytest.mark.parametrize(
    ("corners", "said"),
    [
        ([(0, 0), (0, 90)], "at least 3"),
        ([(60, 0), (60, 120), (60, -120)], "does not go around a pole"),
        ([(91, 0), (0, 90), (1, 1)], "less than or equal to 90"),
    ],
)
def test_what_is_no_region_is_refused(corners: list[tuple[float, float]], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Environment.model_validate({"anomaly": corners})
