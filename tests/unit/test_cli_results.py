"""What verbs print that need no run: paths, plans, descriptions, and their formats."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from skyrack.orchestrator.cli.console import coloured
from skyrack.orchestrator.cli.main import command_tree
from skyrack.orchestrator.cli.reference import refreshed
from skyrack.orchestrator.orbit.times import iso_utc
from skyrack.orchestrator.scenario import json_schema, preset_names

VECTORS = Path(__file__).parents[1] / "vectors"
SLOTS = 34


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Yes."""
        return True


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Standard output of a command that ends well."""
    with pytest.raises(SystemExit) as ended:
        command_tree()(list(arguments), prog_name="skyrack")
    assert ended.value.code == 0
    return capsys.readouterr().out


def node_id(name: str) -> int:
    """The number the published vectors give a node."""
    if name in ("manila", "dalian"):
        return {"manila": 1173, "dalian": 1241}[name]
    plane, _, slot = name.removeprefix("p").partition("s")
    return int(plane) * SLOTS + int(slot)


def test_paths_of_kuiper_are_the_published_ones_and_round_trips_within_a_microsecond(
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = printed(
        capsys, "path", "manila", "dalian", "--scenario", "kuiper630", "--for", "200", "--step", "0.1", "-o", "csv"
    )  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(out)))
    assert list(rows[0]) == ["t_s", "rtt_ms", "path"]
    published = (VECTORS / "kuiper630_manila_dalian_rtt.csv").read_text().split()
    assert len(rows) == len(published) == 2000
    changes = iter((VECTORS / "kuiper630_manila_dalian_path.csv").read_text().split())
    changes_at_ns, path = 0, ""
    following: str | None = next(changes)
    for row, line in zip(rows, published, strict=True):
        t_ns, rtt_ns = line.split(",")
        assert float(row["t_s"]) == pytest.approx(int(t_ns) / 1e9, abs=1e-9)
        if following is not None and int(t_ns) >= int(following.split(",")[0]):
            changes_at_ns, path = int(following.split(",")[0]), following.split(",")[1]
            following = next(changes, None)
        assert changes_at_ns <= int(t_ns)
        assert "-".join(str(node_id(name)) for name in row["path"].split(">")) == path
        assert float(row["rtt_ms"]) * 1e6 == pytest.approx(float(rtt_ns), abs=1e3)


def test_a_path_in_json_and_as_a_table_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    line = ["path", "london", "tokyo", "--scenario", "iridium", "--for", "3", "--at", "10"]
    answer = json.loads(printed(capsys, *line, "-o", "json"))
    assert set(answer) == {"a", "b", "start", "rows"}
    assert [row["t_s"] for row in answer["rows"]] == [10, 11, 12]
    assert all(row["path"][0] == "london" and row["path"][-1] == "tokyo" for row in answer["rows"])
    table = printed(capsys, *line).splitlines()
    assert table[0].split() == ["T_S", "RTT_MS", "PATH"]
    for row, cells in zip(answer["rows"], table[1:], strict=True):
        assert cells.split(maxsplit=2)[1:] == [f"{row['rtt_ms']:.3f}", " > ".join(row["path"])]


def test_an_instant_may_be_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    line = ["path", "london", "tokyo", "--scenario", "iridium", "-o", "csv", "--at"]
    assert printed(capsys, *line, "90") == printed(capsys, *line, "2026-01-01T00:01:30Z")


def test_where_there_is_no_way_the_path_is_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario = tmp_path / "one.yaml"
    scenario.write_text(
        "version: 1\nname: one\nshells: [{planes: 1, slots: 1, altitude_km: 550, inclination_deg: 0}]\n"
        "ground: [london, tokyo]\n"
    )
    line = ["path", "london", "tokyo", "-s", str(scenario)]
    assert printed(capsys, *line, "-o", "csv") == "t_s,rtt_ms,path\n0,,\n"
    (row,) = json.loads(printed(capsys, *line, "-o", "json"))["rows"]
    why = row.pop("why")
    assert row == {"t_s": 0.0, "rtt_ms": None, "path": []}
    assert any("below the horizon of london, the mask is 25" in reason for reason in why)
    assert "unreachable" in printed(capsys, *line)


def test_where_there_is_no_way_contact_graph_tells_the_way_of_a_bundle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = str(Path(__file__).parents[2] / "deploy/scenarios/store-and-forward.yaml")
    line = ["path", "papeete", "svalbard", "-s", scenario, "--size", "200MB"]
    (row,) = json.loads(printed(capsys, *line, "-o", "json"))["rows"]
    bundle = row["bundle"]
    first, last = bundle["legs"][0], bundle["legs"][-1]
    assert (first["from"], last["to"], bundle["size_bytes"]) == ("papeete", "svalbard", 200_000_000)
    assert first["to"] == last["from"], "one satellite carries it"
    assert bundle["arrives_t_s"] == last["arrives_t_s"] == pytest.approx(60.0 * last["arrives_s"])
    assert first["arrives_s"] < last["departs_s"] < last["sent_s"] <= last["contact_ends_s"]
    with pytest.raises(SystemExit):
        command_tree()(line, prog_name="skyrack")
    said = capsys.readouterr().err
    assert f"contact-graph stores and forwards: 200 MB are there at {bundle['arrives_t_s']:.3f} s" in said
    assert f"papeete > {first['to']}" in said
    bare = tmp_path / "bare.yaml"
    bare.write_text(
        "version: 1\nname: bare\nextends: iridium\nlinks: {laser_range_km: 1}\ninhabited: [p0s00]\n"
    )
    for arguments, why in (
        (("papeete", "svalbard", "-s", scenario, "--size", "400GB"), "a store takes 300 GB"),
        (("papeete", "svalbard", "-s", scenario, "--size", "200GB"), "too short for 200000000000 bytes"),
        (("p0s01", "p5s05", "-s", str(bare), "--size", "1MB"), "p0s01 is a bare satellite"),
    ):
        with pytest.raises(SystemExit):
            command_tree()(["path", *arguments], prog_name="skyrack")
        assert why in capsys.readouterr().err


def test_a_plan_is_the_same_every_time_and_goes_where_it_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = printed(capsys, "plan", "iridium", "--for", "2m", "-f", "-")
    assert printed(capsys, "plan", "iridium", "--for", "120", "-f", str(tmp_path / "plan")).strip() == str(
        tmp_path / "plan"
    )
    assert (tmp_path / "plan").read_text() == first
    assert [path.name for path in tmp_path.iterdir()] == ["plan"]
    records = [json.loads(line) for line in first.splitlines()]
    assert records[0]["record"] == "plan"
    assert {record["record"] for record in records[1:]} == {
        "anomaly",
        "contact",
        "eclipse",
        "handover",
        "route",
    }


@pytest.mark.parametrize("preset", preset_names())
def test_every_preset_validates(preset: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "validate", preset).startswith(f"{preset}: ")


def test_stale_elements_are_reported_with_their_age(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = tmp_path / "old.yaml"
    scenario.write_text(f"version: 1\nname: old\ntle: [{VECTORS / 'iridium_2022.tle'}]\n")
    said = printed(capsys, "validate", str(scenario))
    age_days = (datetime.now(UTC) - datetime(2022, 1, 1, tzinfo=UTC)).days
    assert any(f"{age:,} days old" in said for age in range(age_days - 400, age_days + 1))
    assert iso_utc(datetime(2022, 1, 1, tzinfo=UTC))[:4] in said


def test_the_schema_is_the_models(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(printed(capsys, "schema")) == json_schema()


def test_colour_is_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert coloured("text", "31", Terminal()) == "\x1b[31mtext\x1b[0m"
    assert coloured("text", "31", io.StringIO()) == "text"
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        with monkeypatch.context() as changed:
            changed.setenv(name, value)
            assert coloured("text", "31", Terminal()) == "text"


def test_the_reference_page_names_every_verb_and_option_as_they_are() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/cli.md").read_text()
    assert page == refreshed(page), "run: python -m skyrack.orchestrator.cli.reference docs/reference/cli.md"


def test_ways_are_compared_in_every_format(capsys: pytest.CaptureFixture[str]) -> None:
    scenario = str(Path(__file__).parents[2] / "deploy" / "scenarios" / "starlink-calibration.yaml")
    asked = ("path", "portland", "miami", "--compare", "-s", scenario, "--for", "30", "--step", "15")
    rows = list(csv.DictReader(io.StringIO(printed(capsys, *asked, "-o", "csv"))))
    assert [row["way"] for row in rows] == ["best", "space", "bent-pipe", "fibre"] * 2
    best, space, bent, fibre = rows[:4]
    assert float(best["rtt_ms"]) <= min(float(space["rtt_ms"]), float(bent["rtt_ms"]))
    assert "pop-seattle>pop-miami" in bent["path"]
    assert (fibre["rtt_ms"], fibre["path"]) == ("", ""), "a terminal has no fibre"
    told = json.loads(printed(capsys, *asked, "-o", "json"))["rows"]
    assert [row["path"] for row in told] == [row["path"].split(">") if row["path"] else [] for row in rows]
    table = printed(capsys, *asked)
    assert table.splitlines()[0].split() == ["T_S", "WAY", "RTT_MS", "PATH"]
    assert table.splitlines()[4].split() == ["0", "fibre", "-", "none"]
