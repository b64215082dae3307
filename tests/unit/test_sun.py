"""The Sun's direction and the Earth's shadow, against other formulas and published instants."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from skyrack.orchestrator.orbit.constants import EARTH_RADIUS_KM
from skyrack.orchestrator.orbit.sun import eclipse_fraction, sun_direction, sunlit
from skyrack.orchestrator.orbit.times import julian_date

TWO_HUNDREDTHS_DEG = 0.02


def _meeus(jd: float, fraction: float) -> np.ndarray:
    """Apparent Sun of Meeus, Astronomical Algorithms chapter 25: other polynomials, with nutation, 0.01 deg."""
    t = (jd - 2451545.0 + fraction) / 36525.0
    longitude = 280.46646 + t * (36000.76983 + t * 0.0003032)
    anomaly = np.radians(357.52911 + t * (35999.05029 - t * 0.0001537))
    centre = (1.914602 - t * (0.004817 + 0.000014 * t)) * np.sin(anomaly)
    centre += (0.019993 - 0.000101 * t) * np.sin(2 * anomaly) + 0.000289 * np.sin(3 * anomaly)
    omega = np.radians(125.04 - 1934.136 * t)
    apparent = np.radians(longitude + centre - 0.00569 - 0.00478 * np.sin(omega))
    obliquity = np.radians(23.439291 - 0.0130042 * t + 0.00256 * np.cos(omega))
    return np.array(
        [np.cos(apparent), np.cos(obliquity) * np.sin(apparent), np.sin(obliquity) * np.sin(apparent)]
    )


def _angle_deg(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b)))


@pytest.mark.parametrize("year", range(1990, 2051, 6))
def test_sun_is_within_two_hundredths_of_a_degree_of_another_formula(year: int) -> None:
    """Each formula claims 0.01 deg, so they may differ by 0.02; that moves an eclipse by 0.3 s."""
    for month in range(1, 13):
        at = julian_date(datetime(year, month, 17, 5, tzinfo=UTC))
        assert _angle_deg(sun_direction(*at), _meeus(*at)) < TWO_HUNDREDTHS_DEG


@pytest.mark.parametrize(
    ("instant", "axis"),
    [
        (datetime(2024, 3, 20, 3, 6, tzinfo=UTC), "declination"),
        (datetime(2024, 9, 22, 12, 44, tzinfo=UTC), "declination"),
        (datetime(2024, 6, 20, 20, 51, tzinfo=UTC), "right ascension"),
        (datetime(2024, 12, 21, 9, 20, tzinfo=UTC), "right ascension"),
    ],
)
def test_equinoxes_and_solstices_fall_on_their_published_minute(instant: datetime, axis: str) -> None:
    """U.S. Naval Observatory, Earth's seasons: the angle that vanishes then does, within 0.02 deg (20 minutes)."""
    x, y, z = sun_direction(*julian_date(instant))
    off = np.arcsin(z) if axis == "declination" else np.arctan(x / y)
    assert abs(np.degrees(off)) < TWO_HUNDREDTHS_DEG


def test_sun_direction_has_unit_length() -> None:
    assert np.allclose(np.linalg.norm(sun_direction(2461041.5, np.linspace(0, 366, 99)), axis=-1), 1.0)


@pytest.mark.parametrize("beta_deg", [0.0, 20.0, -45.0, 60.0, 66.9, 67.1, 80.0])
def test_time_in_shadow_is_the_closed_formula(beta_deg: float) -> None:
    """Count lit samples of a circular orbit at 550 km against the closed formula."""
    beta, angle = np.radians(beta_deg), np.linspace(0, 2 * np.pi, 40_000, endpoint=False)
    sun = np.array([np.cos(beta), 0.0, np.sin(beta)])
    orbit_km = (EARTH_RADIUS_KM + 550.0) * np.stack(
        [np.cos(angle), np.sin(angle), np.zeros_like(angle)], axis=1
    )
    assert abs((~sunlit(orbit_km, sun)).mean() - eclipse_fraction(550.0, beta_deg)) < 1e-4


def test_published_eclipse_at_550_km() -> None:
    """At most 37.2 % of the orbit; none above a beta angle of 67.0 deg."""
    assert round(eclipse_fraction(550.0, 0.0), 3) == 0.372
    assert eclipse_fraction(550.0, 67.1) == 0.0
    assert eclipse_fraction(550.0, 66.9) > 0.0


def test_the_day_side_is_never_in_shadow() -> None:
    assert sunlit(
        np.array([[7000.0, 0.0, 0.0], [-7000.0, 0.0, 0.0], [-7000.0, 6400.0, 0.0]]), np.array([1.0, 0, 0])
    ).tolist() == [True, False, True]
