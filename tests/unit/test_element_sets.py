"""Catalogue files: every form is read, and damage is reported by file, line and what was expected."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from skyrack.orchestrator.orbit.constellation import build_constellation, epoch_age_note
from skyrack.orchestrator.orbit.element_sets import read_element_sets
from skyrack.orchestrator.orbit.errors import ElementFileError, ElementsError, GeometryError
from skyrack.orchestrator.scenario import Scenario, load_scenario

VECTORS = Path(__file__).parents[1] / "vectors"
NAME = "ISS (ZARYA)"
LINE_1 = "1 25544U 98067A   22257.50747357  .00000297  00000+0  98432-4 0  9998"
LINE_2 = "2 25544  51.6416 247.4627 0006703 130.5360 325.0288 15.72125391563530"

OMM_JSON = """[{
  "OBJECT_NAME": "ISS (ZARYA)", "OBJECT_ID": "1998-067A", "EPOCH": "2022-09-14T12:10:45.716448",
  "MEAN_MOTION": 15.72125391, "ECCENTRICITY": 0.0006703, "INCLINATION": 51.6416, "RA_OF_ASC_NODE": 247.4627,
  "ARG_OF_PERICENTER": 130.536, "MEAN_ANOMALY": 325.0288, "EPHEMERIS_TYPE": 0, "CLASSIFICATION_TYPE": "U",
  "NORAD_CAT_ID": 25544, "ELEMENT_SET_NO": 999, "REV_AT_EPOCH": 56353, "BSTAR": 9.8432e-05,
  "MEAN_MOTION_DOT": 2.97e-06, "MEAN_MOTION_DDOT": 0}]"""

OMM_CSV = """OBJECT_NAME,OBJECT_ID,EPOCH,MEAN_MOTION,ECCENTRICITY,INCLINATION,RA_OF_ASC_NODE,ARG_OF_PERICENTER,\
MEAN_ANOMALY,EPHEMERIS_TYPE,CLASSIFICATION_TYPE,NORAD_CAT_ID,ELEMENT_SET_NO,REV_AT_EPOCH,BSTAR,MEAN_MOTION_DOT,\
MEAN_MOTION_DDOT
ISS (ZARYA),1998-067A,2022-09-14T12:10:45.716448,15.72125391,.0006703,51.6416,247.4627,130.5360,325.0288,0,U,25544,999,\
56353,.98432E-4,.297E-5,0
"""

OMM_XML = """<?xml version="1.0" encoding="UTF-8"?>
<ndm><omm id="CCSDS_OMM_VERS" version="2.0"><body><segment>
<metadata><OBJECT_NAME>ISS (ZARYA)</OBJECT_NAME><OBJECT_ID>1998-067A</OBJECT_ID></metadata>
<data><meanElements><EPOCH>2022-09-14T12:10:45.716448</EPOCH><MEAN_MOTION>15.72125391</MEAN_MOTION>
<ECCENTRICITY>.0006703</ECCENTRICITY><INCLINATION>51.6416</INCLINATION><RA_OF_ASC_NODE>247.4627</RA_OF_ASC_NODE>
<ARG_OF_PERICENTER>130.5360</ARG_OF_PERICENTER><MEAN_ANOMALY>325.0288</MEAN_ANOMALY></meanElements>
<tleParameters><NORAD_CAT_ID>25544</NORAD_CAT_ID><BSTAR>.98432E-4</BSTAR>
<MEAN_MOTION_DOT>.297E-5</MEAN_MOTION_DOT></tleParameters></data></segment></body></omm></ndm>
"""


def _check_digit(line: str) -> str:
    total = sum(int(c) if c.isdigit() else c == "-" for c in line[:68])
    return f"{line[:68]}{total % 10}"


LINE_1, LINE_2 = _check_digit(LINE_1), _check_digit(LINE_2)


def _file(tmp_path: Path, text: str, name: str = "set.tle") -> str:
    path = tmp_path / name
    path.write_bytes(text.encode())
    return str(path)


def _scenario(**keys: object) -> Scenario:
    return Scenario.model_validate({"version": 1, "name": "test", **keys})


@pytest.mark.parametrize(
    "text",
    [
        f"{NAME}\n{LINE_1}\n{LINE_2}\n",
        f"0 {NAME}\r\n{LINE_1}\r\n{LINE_2}\r\n",
        f"{LINE_1}\n{LINE_2}",
        f"\n# fetched yesterday\n{NAME}   \r\n{LINE_1}\n{LINE_2}\r\n\n",
        f"\ufeff{NAME}\n{LINE_1}\n{LINE_2}\n",
    ],
    ids=[
        "3-line",
        "0-name and CRLF",
        "2-line without last newline",
        "mixed endings, comment",
        "byte order mark",
    ],
)
def test_every_form_of_tle_gives_the_same_orbit(tmp_path: Path, text: str) -> None:
    ((record, satrec),) = read_element_sets(_file(tmp_path, text))
    assert satrec.satnum == 25544
    assert record.title in ("", NAME)
    assert np.degrees(satrec.inclo) == pytest.approx(51.6416)


@pytest.mark.parametrize(("text", "name"), [(OMM_JSON, "a.json"), (OMM_CSV, "a.csv"), (OMM_XML, "a.xml")])
def test_omm_gives_the_orbit_of_the_tle_within_a_centimetre(tmp_path: Path, text: str, name: str) -> None:
    """The TLE's epoch has eight decimals of a day, 0.4 ms: 3 m along the track, the same in all three."""
    tle = build_constellation(_scenario(tle=[_file(tmp_path, f"{LINE_1}\n{LINE_2}")]))
    omm = build_constellation(_scenario(omm=[_file(tmp_path, text, name)], start=tle.start))
    assert omm.names == ("iss-zarya",)
    off_km = np.linalg.norm(tle.teme_km(600.0)[0] - omm.teme_km(600.0)[0])
    assert off_km < 1e-3


def _put(line: str, column: int, text: str) -> str:
    """The line with `text` from `column` (counted from 1) on and a right check digit."""
    return _check_digit(line[: column - 1] + text + line[column - 1 + len(text) :])


@pytest.mark.parametrize(
    ("damage", "line", "said"),
    [
        (lambda one, two: (one[:-1] + str((int(one[-1]) + 1) % 10), two), 2, "check digit"),
        (lambda one, two: (one, two[:50]), 3, "69 characters"),
        (lambda one, two: (one[:65], two), 2, "title|69 characters"),
        (lambda one, two: (one, _put(two, 3, "25545")), 3, "line 2"),
        (lambda one, two: (_put(one, 21, "2x7.50747357"), two), 2, "epoch day"),
        (lambda one, two: (_put(one, 21, "400.50747357"), two), 2, "epoch day"),
        (lambda one, two: (one, _put(two, 9, "     N/A")), 3, "inclination"),
        (lambda one, two: (one, _put(two, 9, "251.6416")), 2, "inclination"),
        (lambda one, two: (one, _put(two, 53, " 0.00000000")), 2, "mean motion"),
        (lambda one, two: (_put(one, 54, " 98.432-"), two), 2, "drag"),
    ],
)
def test_a_damaged_line_is_named(
    tmp_path: Path, damage: Callable[[str, str], tuple[str, str]], line: int, said: str
) -> None:
    path = _file(tmp_path, "\n".join((NAME, *damage(LINE_1, LINE_2))))
    with pytest.raises(ElementFileError, match=said) as caught:
        read_element_sets(path)
    assert caught.value.line == line
    assert str(caught.value).startswith(f"{path}:{line}: ")


@pytest.mark.parametrize(
    "text", ["", "\n\n", f"{NAME}\n{LINE_1}\n", f"{NAME}\n", "<html>not found</html>", "{]"]
)
def test_a_file_without_whole_satellites_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(ElementFileError):
        read_element_sets(_file(tmp_path, text))


def test_a_missing_file_and_a_binary_file_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ElementFileError, match="no such file"):
        read_element_sets(str(tmp_path / "absent.tle"))
    path = tmp_path / "binary.tle"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(ElementFileError, match="text"):
        read_element_sets(str(path))


@pytest.mark.parametrize(
    "edit", [('"INCLINATION": 51.6416', '"INCLINATION": "steep"'), ("0.0006703", "1.5"), ("15.72125391", "0")]
)
def test_an_impossible_omm_field_is_an_error(tmp_path: Path, edit: tuple[str, str]) -> None:
    with pytest.raises(ElementFileError, match=r"25544|steep"):
        read_element_sets(_file(tmp_path, OMM_JSON.replace(*edit), "a.json"))


def test_all_errors_are_value_errors() -> None:
    """The command line prints GeometryError as it is and exits with status 2; anything else would be a traceback."""
    assert issubclass(GeometryError, ValueError)
    assert issubclass(ElementFileError, GeometryError)
    assert issubclass(ElementsError, GeometryError)


def test_names_and_start_come_from_the_set() -> None:
    constellation = build_constellation(_scenario(tle=[str(VECTORS / "iridium_2022.tle")]))
    assert len(constellation) == 31
    assert constellation.names[:2] == ("iridium-7", "iridium-5")
    assert constellation.start.replace(tzinfo=None) == datetime(2022, 9, 14, 11, 54, 44)
    assert any("median epoch" in note for note in constellation.notes)


def test_decayed_satellites_are_left_out_with_a_note() -> None:
    constellation = build_constellation(_scenario(tle=[str(VECTORS / "starlink_2022_cut.tle")]))
    assert len(constellation) == 98
    (note,) = (note for note in constellation.notes if "left out" in note)
    assert "falcon-9-deb-53089" in note
    assert not any(name.startswith("falcon") for name in constellation.names)


def test_a_constellation_of_which_nothing_flies_is_an_error(tmp_path: Path) -> None:
    lines = (VECTORS / "starlink_2022_cut.tle").read_text().splitlines()
    debris = "\n".join(line for line in lines if line[2:7] in ("53089", "53090"))
    with pytest.raises(ElementsError, match="all 2 satellites have decayed"):
        build_constellation(_scenario(tle=[_file(tmp_path, debris)], start="2022-09-14T13:00:00Z"))


def test_a_scenario_without_satellites_is_an_error() -> None:
    with pytest.raises(ElementsError, match="no satellites"):
        build_constellation(_scenario())


def test_stale_elements_are_reported_against_the_time_passed_in() -> None:
    stale = build_constellation(_scenario(tle=[str(VECTORS / "iridium_2022.tle")]))
    note = epoch_age_note(stale, datetime(2025, 9, 14, 12, tzinfo=UTC))
    assert note is not None
    assert "1,096 days" in note
    assert epoch_age_note(stale, datetime(2022, 9, 15, tzinfo=UTC)) is None
    assert (
        epoch_age_note(build_constellation(load_scenario("iridium")), datetime(2035, 1, 1, tzinfo=UTC))
        is None
    )
