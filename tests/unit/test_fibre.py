"""Fibre: lengths against published distances, delays against the customary 5 us per km."""

import numpy as np
import pytest

from skyrack.orchestrator.topology.fibre import fibre_delay_s, great_circle_km

LONDON, NEW_YORK = (51.51, -0.13), (40.71, -74.01)


def test_london_to_new_york_is_as_far_as_atlases_say_and_light_in_glass_takes_28_ms() -> None:
    """Published: 5,570 km (great circle); Handley 2018 has some 55 ms round trip along the great circle in fibre."""
    length_km = great_circle_km(*LONDON, *NEW_YORK)
    assert length_km == pytest.approx(5570, abs=5)
    assert 2 * fibre_delay_s(length_km, 1.0) == pytest.approx(55.7e-3, abs=0.1e-3)
    assert fibre_delay_s(length_km, 1.5) == pytest.approx(1.5 * fibre_delay_s(length_km, 1.0))


def test_a_thousand_km_of_fibre_take_five_milliseconds() -> None:
    assert fibre_delay_s(1000.0, 1.0) == pytest.approx(5e-3, rel=1e-3)


def test_a_quarter_of_the_meridian_is_within_the_stated_error_of_the_ellipsoids() -> None:
    """The WGS84 meridian quadrant is 10,001.966 km."""
    assert great_circle_km(0.0, 0.0, 90.0, 0.0) == pytest.approx(10_001.966, rel=0.006)


def test_the_shorter_way_is_taken_across_the_date_line_and_no_place_is_far_from_itself() -> None:
    lengths_km = great_circle_km([0.0, 10.0], [179.0, 20.0], [0.0, 10.0], [-179.0, 20.0])
    assert np.allclose(lengths_km, [2 * 111.195, 0.0], atol=0.01)
    assert great_circle_km(0.0, 0.0, 0.0, 180.0) == pytest.approx(np.pi * 6371.0088)
