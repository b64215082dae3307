"""Frames agree with the published example and with skyfield, each with its tolerance."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from skyfield.api import EarthSatellite, load, wgs84
from skyfield.sgp4lib import theta_GMST1982

from skyrack.orchestrator.orbit.constellation import build_constellation
from skyrack.orchestrator.orbit.frames import (
    geodetic_to_itrf_km,
    gmst_rad,
    itrf_to_geodetic,
    rotate_z,
    teme_to_itrf,
    up_vector,
)
from skyrack.orchestrator.orbit.times import from_julian_date, iso_utc, julian_date
from skyrack.orchestrator.scenario import load_scenario
from skyrack.orchestrator.topology.geometry import Geometry
from skyrack.orchestrator.topology.sight import GroundLimits

VECTORS = Path(__file__).parents[1] / "vectors"
TWENTY_METRES_KM = 0.020
ONE_MM_KM = 1e-6
TIMESCALE = load.timescale(builtin=True)


def _example() -> dict[str, np.ndarray]:
    rows = {}
    with (VECTORS / "teme_itrf.csv").open() as file:
        for row in csv.reader(line for line in file if not line.startswith(("#", "quantity", "utc"))):
            rows[row[0]] = np.array([float(value) for value in row[1:4]])
    return rows


def test_teme_to_itrf_is_within_twenty_metres_of_the_published_example() -> None:
    """AIAA 2006-6753 appendix C with its UT1; what is left is polar motion, which is neglected."""
    example = _example()
    jd, fraction = julian_date(datetime(2004, 4, 6, 7, 51, 28, 386009, tzinfo=UTC))
    r_km, v_km_s = teme_to_itrf(example["r_TEME"], example["v_TEME"], jd, fraction - 0.4399619 / 86400.0)
    assert np.linalg.norm(r_km - example["r_ITRF"]) < TWENTY_METRES_KM
    assert np.linalg.norm(v_km_s - example["v_ITRF"]) < 2e-5
    assert np.linalg.norm(r_km - example["r_ITRF"]) > ONE_MM_KM, "polar motion has appeared from nowhere"


def test_sidereal_time_agrees_with_skyfield() -> None:
    """A microradian would move stations by 6 m; the tolerance is 1e-9 rad, 6 mm."""
    for year in (1990, 2000, 2026, 2050):
        jd, fraction = julian_date(datetime(year, 3, 9, 17, 4, 11, 123456, tzinfo=UTC))
        theta, _ = theta_GMST1982(jd, fraction)
        assert abs(np.sin(float(gmst_rad(jd, fraction)) - theta)) < 1e-9


def test_earth_fixed_positions_agree_with_skyfield_to_three_metres_of_sidereal_convention() -> None:
    """Skyfield rotates TEME with the same angle and adds UT1; at equal UT1 the positions agree within 1 mm."""
    constellation = build_constellation(load_scenario("kuiper630"))
    satrec = constellation.elements[100].satrec
    satellite = EarthSatellite.from_satrec(satrec, TIMESCALE)
    for t_s in (0.0, 3600.0, 86_400.0):
        at = TIMESCALE.utc(2000, 1, 1, 0, 0, t_s)
        theirs_km, _, error = satellite._position_and_velocity_TEME_km(at)
        assert error is None or not np.any(error)
        ours_km, _ = constellation.teme_of_km(100, np.array([t_s]))
        # Skyfield hands SGP4 a UTC Julian date whose fraction resolves 1 us: 7 mm along the track.
        assert np.linalg.norm(ours_km[0] - theirs_km) < 1e-5
        jd, fraction = julian_date(constellation.start)
        theta, _ = theta_GMST1982(at.whole, at.ut1_fraction)
        ut1_s = float(at.dut1)
        ours, _ = teme_to_itrf(ours_km, ours_km, jd, fraction + (t_s + ut1_s) / 86_400.0)
        assert np.linalg.norm(ours[0] - rotate_z(theirs_km, -theta)) < 2e-5


def test_geodetic_points_agree_with_skyfield_within_one_mm() -> None:
    for lat_deg, lon_deg, altitude_m in (
        (51.5, -0.13, 11.0),
        (-33.9, 151.2, 0.0),
        (90.0, 0.0, 2800.0),
        (0.0, 180.0, -30.0),
    ):
        theirs_km = wgs84.latlon(lat_deg, lon_deg, altitude_m).itrs_xyz.km
        ours_km = geodetic_to_itrf_km(lat_deg, lon_deg, altitude_m / 1e3)
        assert np.linalg.norm(ours_km - theirs_km) < ONE_MM_KM


@pytest.mark.parametrize("altitude_km", [0.0, 0.4, 550.0, 35_786.0])
def test_geodetic_coordinates_survive_the_way_there_and_back(altitude_km: float) -> None:
    lat_deg, lon_deg = (
        grid.ravel() for grid in np.meshgrid(np.linspace(-90, 90, 37), np.linspace(-179, 180, 24))
    )
    lat, lon, altitude = itrf_to_geodetic(geodetic_to_itrf_km(lat_deg, lon_deg, altitude_km))
    assert np.abs(lat - lat_deg).max() < 1e-9
    off_pole = np.abs(lat_deg) < 90
    assert np.abs((lon - lon_deg + 180) % 360 - 180)[off_pole].max() < 1e-9
    assert np.abs(altitude - altitude_km).max() < ONE_MM_KM


def test_elevation_agrees_with_skyfield_within_a_millidegree() -> None:
    """Skyfield adds nutation and polar motion to the station's frame; they cancel to below 0.001 deg for a satellite."""
    constellation = build_constellation(load_scenario("kuiper630"))
    station = wgs84.latlon(14.6042, 120.9822)
    r_station_km = geodetic_to_itrf_km(14.6042, 120.9822, 0.0)[np.newaxis]
    up = up_vector(14.6042, 120.9822)[np.newaxis]
    compared = 0
    for index in (183, 184, 217, 218, 648):
        satellite = EarthSatellite.from_satrec(constellation.elements[index].satrec, TIMESCALE)
        for t_s in (0.0, 60.0, 180.0):
            at = TIMESCALE.utc(2000, 1, 1, 0, 0, t_s)
            altitude, _, distance = (satellite - station).at(at).altaz()
            teme_km, _ = constellation.teme_of_km(index, np.array([t_s]))
            jd, fraction = julian_date(constellation.start)
            itrf_km, _ = teme_to_itrf(teme_km, teme_km, jd, fraction + (t_s + float(at.dut1)) / 86_400.0)
            for off_deg, seen in ((-1e-3, 1), (1e-3, 0)):
                limits = GroundLimits(altitude.degrees + off_deg)
                assert len(limits.visible(r_station_km, up, itrf_km)[0]) == seen
            assert abs(np.linalg.norm(itrf_km - r_station_km) - distance.km) < TWENTY_METRES_KM
            compared += 1
    assert compared == 15


def test_sub_satellite_points_agree_with_skyfield_within_twenty_metres_of_ut1() -> None:
    """The product takes UT1 for UTC; with that taken out, the point under a satellite is skyfield's."""
    geometry = Geometry(load_scenario("iridium"))
    lat_deg, lon_deg, altitude_km = geometry.geodetic(777.0)
    for index in (0, 17, 65):
        satellite = EarthSatellite.from_satrec(geometry.constellation.elements[index].satrec, TIMESCALE)
        at = TIMESCALE.utc(2026, 1, 1, 0, 0, 777.0)
        point = wgs84.subpoint_of(satellite.at(at))
        height_km = wgs84.height_of(satellite.at(at)).km
        turned_deg = float(at.dut1) * 360.9856 / 86_400.0
        assert abs(lat_deg[index] - point.latitude.degrees) < 2e-4
        off_deg = (lon_deg[index] - turned_deg - point.longitude.degrees + 180) % 360 - 180
        assert abs(off_deg) * np.cos(np.radians(lat_deg[index])) < 2e-4
        assert abs(altitude_km[index] - height_km) < TWENTY_METRES_KM


def test_velocity_in_itrf_is_the_derivative_of_position() -> None:
    geometry = Geometry(load_scenario("iridium"))
    r_km, v_km_s = geometry.itrf(7, np.array([99.5, 100.0, 100.5]))
    assert np.linalg.norm((r_km[2] - r_km[0]) - v_km_s[1]) < 1e-4
    assert not geometry.itrf(66, 100.0)[1].any(), "a station moves on the Earth it stands on"


def test_julian_dates_survive_the_way_there_and_back() -> None:
    instant = datetime(2026, 7, 29, 23, 59, 59, 999999, tzinfo=UTC)
    assert abs(from_julian_date(*julian_date(instant)) - instant) <= timedelta(microseconds=1)
    assert iso_utc(instant) == "2026-07-29T23:59:59.999999Z"
