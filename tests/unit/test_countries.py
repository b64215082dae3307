"""Which country lies below."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest

from skyrack.orchestrator.environment.countries import countries_at, country_codes
from skyrack.orchestrator.scenario.stations import stations

INLAND_KM = 20.0


@pytest.mark.parametrize(
    ("lat_deg", "lon_deg", "code"),
    [
        (52.52, 13.40, "DE"),
        (1.35, 103.82, "SG"),  # which the borders of 1:110m do not have
        (47.70, -87.50, "US"),  # Lake Superior
        (42.00, 50.50, ""),  # the Caspian
        (0.0, -30.0, ""),
        (66.0, 175.0, "RU"),
        (66.0, -172.0, "RU"),  # over the date line
        (66.0, 188.0, "RU"),
        (-89.9, 0.0, "AQ"),
        (-90.0, 123.0, "AQ"),
        (90.0, 0.0, ""),
        (42.66, 21.17, "XK"),  # what has no number in the source: Kosovo,
        (35.32, 33.30, "CY"),  # the north of Cyprus,
        (9.56, 44.06, "SO"),  # Somaliland,
        (35.30, 77.00, "IN"),  # the Siachen Glacier,
        (-10.49, 105.62, "CX"),  # Christmas Island
        (27.10, -13.10, "MA"),  # who holds it, not who claims it
        (4.90, -52.30, "FR"),  # Natural Earth counts overseas departments to France
    ],
)
def test_points_lie_in_the_country_that_holds_them(lat_deg: float, lon_deg: float, code: str) -> None:
    assert str(countries_at(lat_deg, lon_deg)) == code


def test_stations_stand_in_their_countries() -> None:
    """All that are known by name, but for those whose coast is nearer than the scale of the borders."""
    wrong = []
    for name, station in stations().items():
        ring = np.radians(np.arange(0.0, 360.0, 45.0))
        lat = station["lat_deg"] + INLAND_KM / 111.2 * np.append(np.sin(ring), 0.0)
        lon = station["lon_deg"] + INLAND_KM / 111.2 * np.append(np.cos(ring), 0.0) / np.cos(np.radians(lat))
        around = set(countries_at(lat, lon).tolist()) - {""}
        if station["country"] not in around:
            wrong.append((name, station["country"], around))
    assert not wrong


def test_answers_have_the_shape_of_the_question() -> None:
    lat_deg, lon_deg = np.meshgrid(np.linspace(-90, 90, 19), np.linspace(-180, 180, 37))
    found = countries_at(lat_deg, lon_deg)
    assert found.shape == lat_deg.shape
    assert set(found.ravel().tolist()) <= {"", *country_codes()}
    assert (countries_at(lat_deg, -180.0) == countries_at(lat_deg, 180.0)).all()


def test_land_is_three_tenths_of_the_earth() -> None:
    """148.9 million of 510.1 million km^2 (CIA World Factbook): 29.2 %; lakes counted to their countries."""
    lat_deg, lon_deg = np.meshgrid(np.arange(-89.5, 90.0), np.arange(-179.5, 180.0))
    weight = np.cos(np.radians(lat_deg))
    share = (weight * (countries_at(lat_deg, lon_deg) != "")).sum() / weight.sum()
    assert share == pytest.approx(0.292, abs=0.005)


def test_codes_are_iso_3166() -> None:
    codes = country_codes()
    assert all(re.fullmatch("[A-Z]{2}", code) for code in codes)
    assert {"DE", "US", "SG", "XK", "AQ", "TW", "PS", "EH"} <= set(codes)
    assert len(codes) == 238


def test_who_does_not_ask_does_not_load_the_borders() -> None:
    """A command line, or a plan, needs no 13 MB of borders."""
    program = "import sys, skyrack.orchestrator.environment.countries; sys.exit('shapely' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
