"""Interpolation and geodesy of the node against closed forms."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyrack.node.position import Knots, OutsideEphemerisError, geodetic

A_KM, F = 6378.137, 1 / 298.257223563
RADIUS_KM, STEP_S = 6928.137, 10.0
RATE_RAD_S = math.sqrt(398600.4418 / RADIUS_KM**3)
one_millimetre_km = 1e-6


def circle(t_s: float) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """A circular orbit at 550 km, inclined 53 degrees."""
    s, c = math.sin(RATE_RAD_S * t_s), math.cos(RATE_RAD_S * t_s)
    si, ci = math.sin(math.radians(53)), math.cos(math.radians(53))
    v = RADIUS_KM * RATE_RAD_S
    return (RADIUS_KM * c, RADIUS_KM * s * ci, RADIUS_KM * s * si), (-v * s, v * c * ci, v * c * si)


def knots(first_t_s: float = 0.0, count: int = 7) -> Knots:
    states = [circle(first_t_s + STEP_S * k) for k in range(count)]
    return Knots(first_t_s, STEP_S, tuple(p for p, _ in states), tuple(v for _, v in states))


@given(st.floats(0, 60))
def test_a_real_orbit_is_met_within_a_millimetre_between_ten_second_knots(t_s: float) -> None:
    position_km, velocity_km_s = knots().at(t_s)
    true_position_km, true_velocity_km_s = circle(t_s)
    assert math.dist(position_km, true_position_km) < one_millimetre_km
    assert math.dist(velocity_km_s, true_velocity_km_s) < 1e-6


def test_knots_themselves_are_exact_the_last_included() -> None:
    for k in range(7):
        assert math.dist(knots().at(STEP_S * k)[0], circle(STEP_S * k)[0]) < 1e-11


@pytest.mark.parametrize("t_s", [-0.001, 60.001, math.nan, math.inf])
def test_nothing_is_extrapolated(t_s: float) -> None:
    with pytest.raises(OutsideEphemerisError, match="outside the ephemeris"):
        knots().at(t_s)


def test_one_knot_answers_for_its_instant() -> None:
    assert knots(5.0, 1).at(5.0) == circle(5.0)


@pytest.mark.parametrize(("positions", "velocities", "step_s"), [(0, 0, 10.0), (2, 1, 10.0), (2, 2, 0.0)])
def test_impossible_knots_are_refused(positions: int, velocities: int, step_s: float) -> None:
    with pytest.raises(ValueError, match=r"positions|knots"):
        Knots(0.0, step_s, ((1.0, 0.0, 0.0),) * positions, ((0.0, 0.0, 0.0),) * velocities)


@given(st.floats(-90, 90), st.floats(-179.999, 180), st.floats(-5, 400_000))
def test_geodetic_undoes_the_ellipsoid_formula(lat_deg: float, lon_deg: float, height_km: float) -> None:
    # Forward formula: any text on geodesy, e.g. NIMA TR8350.2 section 4.
    lat, lon = math.radians(lat_deg), math.radians(lon_deg)
    e2 = F * (2 - F)
    n_km = A_KM / math.sqrt(1 - e2 * math.sin(lat) ** 2)
    x = (n_km + height_km) * math.cos(lat) * math.cos(lon)
    y = (n_km + height_km) * math.cos(lat) * math.sin(lon)
    z = (n_km * (1 - e2) + height_km) * math.sin(lat)
    got_lat_deg, got_lon_deg, got_height_km = geodetic((x, y, z))
    assert got_height_km == pytest.approx(height_km, abs=1e-8)
    assert got_lat_deg == pytest.approx(lat_deg, abs=1e-9)
    if abs(lat_deg) < 89.999:
        assert math.remainder(got_lon_deg - lon_deg, 360) == pytest.approx(0, abs=1e-9)


def test_poles_and_centre_do_not_divide_by_zero() -> None:
    assert geodetic((0.0, 0.0, A_KM * (1 - F)))[0] == pytest.approx(90)
    assert geodetic((0.0, 0.0, -A_KM * (1 - F) - 5))[2] == pytest.approx(5)
    assert all(map(math.isfinite, geodetic((0.0, 0.0, 0.0))))
