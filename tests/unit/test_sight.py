"""Lines of sight: lasers past the Earth, satellites above a station's horizon."""

from __future__ import annotations

import numpy as np
import pytest

from skyrack.orchestrator.orbit.constants import EARTH_RADIUS_KM
from skyrack.orchestrator.orbit.frames import geodetic_to_itrf_km, up_vector
from skyrack.orchestrator.topology.sight import GroundLimits, LaserLimits

R = EARTH_RADIUS_KM


def _pair_km(altitude_km: float, apart_km: float) -> tuple[np.ndarray, np.ndarray]:
    half = np.arcsin(apart_km / 2 / (R + altitude_km))
    ends = (R + altitude_km) * np.array(
        [[np.cos(half), np.sin(half), 0.0], [np.cos(half), -np.sin(half), 0.0]]
    )
    return ends[:1], ends[1:]


@pytest.mark.parametrize(("altitude_km", "longest_km"), [(550.0, 5017.0), (350.0, 3774.0)])
def test_longest_laser_clearing_80_km_is_the_published_one(altitude_km: float, longest_km: float) -> None:
    limits = LaserLimits(80.0)
    assert limits.lit(*_pair_km(altitude_km, longest_km - 1.0)).all()
    assert not limits.lit(*_pair_km(altitude_km, longest_km + 1.0)).any()


def test_a_satellite_straight_above_another_is_in_sight() -> None:
    """The nearest point of the *segment* counts: the line through both passes the Earth's centre."""
    low, high = np.array([[R + 500.0, 0.0, 0.0]]), np.array([[R + 9000.0, 0.0, 0.0]])
    assert LaserLimits(80.0).lit(low, high).all()


def test_a_range_limit_darkens_longer_lasers_only() -> None:
    limits = LaserLimits(80.0, range_km=2000.0)
    assert limits.lit(*_pair_km(550.0, 1999.9)).all()
    assert not limits.lit(*_pair_km(550.0, 2000.1)).any()


def test_satellites_at_one_point_are_in_sight() -> None:
    point = np.array([[7000.0, 0.0, 0.0]])
    assert LaserLimits(80.0, range_km=1.0).lit(point, point).all()


def test_a_decayed_satellite_sees_nobody() -> None:
    gone, there = np.full((1, 3), np.nan), np.array([[7000.0, 0.0, 0.0]])
    assert not LaserLimits(80.0).lit(gone, there).any()
    assert not LaserLimits(80.0, 5000.0).lit(there, gone).any()
    station = geodetic_to_itrf_km(0.0, 0.0, 0.0)[np.newaxis]
    assert not len(GroundLimits(10.0).visible(station, up_vector(0.0, 0.0)[np.newaxis], gone)[0])


def _above(
    lat_deg: float, elevation_deg: float, slant_km: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A station, its up vector and a satellite at that elevation, to the east."""
    station, up = geodetic_to_itrf_km(lat_deg, 0.0, 0.0), up_vector(lat_deg, 0.0)
    line = np.sin(np.radians(elevation_deg)) * up + np.cos(np.radians(elevation_deg)) * np.array(
        [0.0, 1.0, 0.0]
    )
    return station[np.newaxis], up[np.newaxis], (station + slant_km * line)[np.newaxis]


@pytest.mark.parametrize("lat_deg", [0.0, 47.0, -89.0])
def test_mask_is_counted_from_the_ellipsoid_s_horizon(lat_deg: float) -> None:
    """A sphere's horizon is off by up to 0.19 deg in middle latitudes."""
    limits = GroundLimits(25.0)
    assert len(limits.visible(*_above(lat_deg, 25.01, 1100.0))[0]) == 1
    assert len(limits.visible(*_above(lat_deg, 24.99, 1100.0))[0]) == 0


def test_published_slant_range_at_25_degrees() -> None:
    _, _, satellite = _above(0.0, 25.0, 1123.0)
    assert np.linalg.norm(satellite) - R == pytest.approx(550.0, abs=1.0)


def test_a_range_replaces_the_mask_but_not_the_horizon() -> None:
    limits = GroundLimits(25.0, range_km=1260.0)
    assert len(limits.visible(*_above(10.0, 5.0, 1259.0))[0]) == 1
    assert len(limits.visible(*_above(10.0, 80.0, 1261.0))[0]) == 0
    assert len(limits.visible(*_above(10.0, -1.0, 100.0))[0]) == 0


def test_no_stations_and_no_satellites_are_no_links() -> None:
    nobody = np.empty((0, 3))
    assert not len(GroundLimits(25.0).visible(nobody, nobody, np.array([[7000.0, 0, 0]]))[0])
    station, up, _ = _above(0.0, 30.0, 900.0)
    assert not len(GroundLimits(25.0).visible(station, up, nobody)[0])
