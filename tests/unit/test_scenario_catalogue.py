"""Orbit files: every format, names of satellites, damage reported with its line."""

import json
from pathlib import Path

import pytest

from skyrack.orchestrator.scenario import (
    CatalogueError,
    InhabitedCount,
    Scenario,
    ScenarioError,
    load_scenario,
    read_catalogue,
    satellite_names,
)

# Lines of a published set (ISS 2008, and two Iridium satellites); check digits are right.
ISS = (
    "1 25544U 98067A   08264.51782528 -.00002182  00000-0 -11606-4 0  2927",
    "2 25544  51.6416 247.4627 0006703 130.5360 325.0288 15.72125391563537",
)
IRIDIUM = (
    "1 24793U 97020B   22257.50747357  .00000297  00000+0  98432-4 0  9996",
    "2 24793  86.3944 238.2679 0002181  91.8042 268.3404 14.34536528327510",
)
OMM = {
    "OBJECT_NAME": "IRIDIUM 7 [-]",
    "OBJECT_ID": "1997-020B",
    "EPOCH": "2022-09-14T12:10:45.716448",
    "MEAN_MOTION": 14.34536528,
    "ECCENTRICITY": 0.0002181,
    "INCLINATION": 86.3944,
    "RA_OF_ASC_NODE": 238.2679,
    "ARG_OF_PERICENTER": 91.8042,
    "MEAN_ANOMALY": 268.3404,
    "NORAD_CAT_ID": 24793,
}
OMM_XML = "<ndm><omm><body>{}</body></omm></ndm>".format("".join(f"<{k}>{v}</{k}>" for k, v in OMM.items()))


def write(folder: Path, text: str, name: str = "set.tle") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    "text",
    [
        "IRIDIUM 7 [-]\n{}\n{}\n",
        "0 IRIDIUM 7 [-]\n{}\n{}",
        "IRIDIUM 7 [-]   \r\n{}\r\n{}\r\n",
        "\nIRIDIUM 7\n{}\n{}\n\n",
    ],
    ids=["three lines", "title with 0", "CRLF and padding", "blank lines"],
)
def test_every_usual_form_of_tle_gives_the_satellite(tmp_path: Path, text: str) -> None:
    (record,) = read_catalogue(write(tmp_path, text.format(*IRIDIUM)))
    assert record.title.startswith("IRIDIUM 7")
    assert (record.number, record.tle) == ("24793", IRIDIUM)


@pytest.mark.parametrize(
    "text",
    [json.dumps([OMM]), json.dumps(OMM), ",".join(OMM) + "\n" + ",".join(map(str, OMM.values())), OMM_XML],
    ids=["json list", "json object", "csv", "xml"],
)
def test_every_form_of_omm_gives_the_same_satellite(tmp_path: Path, text: str) -> None:
    (record,) = read_catalogue(write(tmp_path, text))
    assert (record.title, record.number) == ("IRIDIUM 7 [-]", "24793")
    assert float(record.omm["MEAN_MOTION"]) == 14.34536528


def named(tmp_path: Path, text: str) -> tuple[str, ...]:
    return satellite_names(
        Scenario.model_validate({"version": 1, "name": "x", "tle": [write(tmp_path, text)]})
    )


def test_satellites_are_named_by_slug_by_number_and_by_both_where_titles_repeat(tmp_path: Path) -> None:
    two_lines = "\n".join((*ISS, *IRIDIUM)) + "\n"
    assert named(tmp_path, "\n".join(("ISS (ZARYA)", *ISS, "IRIDIUM 7 [-]", *IRIDIUM))) == (
        "iss-zarya",
        "iridium-7",
    )
    assert named(tmp_path, two_lines) == ("25544", "24793")
    assert named(tmp_path, "\n".join(("DEB", *ISS, "DEB", *IRIDIUM))) == ("deb-25544", "deb-24793")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 0, "no satellite"),
        (f"A\n{ISS[0]}\n", 0, "middle of a satellite"),
        (f"A\n{ISS[0]}\n{IRIDIUM[1]}\n", 3, "expected line 2"),
        (f"A\n{ISS[0][:-1]}8\n{ISS[1]}\n", 2, "check digit"),
        (f"A\n{ISS[0][:-2]}\n{ISS[1]}\n", 2, "69 characters"),
        ("\n".join((*ISS, *ISS)), 3, "appears twice"),
        ("x" * 100, 1, "neither a title"),
        ('[{"OBJECT_NAME": "A"}]', 0, "without NORAD_CAT_ID"),
        ("[1]", 0, "list of messages"),
        ("[{", 1, "not JSON"),
        ("<a>", 1, "not XML"),
        ("<a/>", 0, "no satellite"),
        ("NORAD_CAT_ID\n1\n", 2, "without EPOCH"),
    ],
)
def test_damage_is_reported_with_its_line(tmp_path: Path, text: str, line: int, message: str) -> None:
    with pytest.raises(CatalogueError, match=message) as caught:
        read_catalogue(write(tmp_path, text))
    assert caught.value.line == line


def test_files_are_found_beside_the_scenario_and_start_waits_for_their_epoch(tmp_path: Path) -> None:
    write(tmp_path, "\n".join(ISS), "iss.tle")
    (tmp_path / "x.yaml").write_text("version: 1\nname: x\ntle: [iss.tle]\n")
    scenario = load_scenario(tmp_path / "x.yaml")
    assert scenario.tle == (str(tmp_path / "iss.tle"),)
    assert scenario.start is None, "the median epoch of the set is known to the orbits only"
    assert scenario.inhabited == "all"


def test_a_large_set_is_inhabited_in_twelve_places(tmp_path: Path) -> None:
    lines = []
    for number in range(101):
        for line in IRIDIUM:
            body = f"{line[0]} {number + 10000:05d}{line[7:68]}"
            lines.append(body + str(sum(int(c) if c.isdecimal() else c == "-" for c in body) % 10))
    write(tmp_path, "\n".join(lines))
    (tmp_path / "x.yaml").write_text("version: 1\nname: x\ntle: [set.tle]\n")
    assert load_scenario(tmp_path / "x.yaml").inhabited == InhabitedCount(count=12)


def test_damage_inside_an_orbit_file_points_into_that_file(tmp_path: Path) -> None:
    write(tmp_path, f"A\n{ISS[0][:-1]}8\n{ISS[1]}\n")
    (tmp_path / "x.yaml").write_text("version: 1\nname: x\ntle: [set.tle]\n")
    with pytest.raises(ScenarioError) as caught:
        load_scenario(tmp_path / "x.yaml")
    (problem,) = caught.value.problems
    assert problem.file.endswith("set.tle")
    assert (problem.line, problem.source_line) == (2, ISS[0][:-1] + "8")
