"""`skyrack environment` prints what the pure functions say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from skyrack.orchestrator.cli.main import command_tree
from skyrack.orchestrator.environment.truth import truth_at
from skyrack.orchestrator.scenario import load_scenario
from skyrack.orchestrator.topology.geometry import Geometry


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SKYRACK_SOCKET_DIR", str(tmp_path / "s"))


def run(line: str) -> int:
    with pytest.raises(SystemExit) as ended:
        command_tree(["environment"])(["environment", *line.split()], prog_name="skyrack")
    return ended.value.code if isinstance(ended.value.code, int) else 0


def test_satellites_that_have_a_process_are_shown_with_the_truth(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("") == 0
    out, err = capsys.readouterr()
    header, *rows = out.splitlines()
    assert header.split() == [
        *(
            "NODE",
            "SUN",
            "ECLIPSE",
            "BETA_DEG",
            "ANOMALY",
            "GATEWAY",
            "LAT_DEG",
            "LON_DEG",
            "COUNTRY",
            "STORM",
        )
    ]
    geometry = Geometry(load_scenario("iridium"))
    truth = truth_at(geometry, 0.0)
    assert [row.split()[0] for row in rows] == [
        geometry.names[node] for node in geometry.inhabited if node < 66
    ]
    for row in rows:
        node = geometry.index_of(row.split()[0])
        assert row.split()[1] == ("lit" if truth.lit[node] else "dark")
        assert f"{truth.beta_deg[node]:.1f}" in row.split()
        assert f"{truth.lat_deg[node]:.2f}" in row.split()
        in_sight = geometry.gateway_margins_km(geometry.itrf(node, [0.0])[0]).max() >= 0.0
        assert row.count("on for") == (not truth.lit[node]) + bool(truth.in_anomaly[node]) + in_sight
    assert "at 2026-01-01T00:00:00Z, orbit time 0 s" in err


def test_json_has_the_stay_that_is_on_from_its_true_begin(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("p3s07 -o json") == 0
    first = json.loads(capsys.readouterr().out)["nodes"][0]
    middle_s = (first["eclipse"]["start_t_s"] + first["eclipse"]["end_t_s"]) / 2.0
    assert run(f"p3s07 --at {middle_s} -o json") == 0
    later = json.loads(capsys.readouterr().out)
    assert later["nodes"][0]["lit"] is False
    assert later["nodes"][0]["eclipse"] == pytest.approx(first["eclipse"], abs=0.1)
    assert later["t_s"] == middle_s


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("london", "london is on the ground: only satellites have an environment"),
        ("p3s77", "no node is called 'p3s77'"),
        ("--at noon", "--at 'noon': expected seconds or a UTC time"),
        ("--run x --at 5", "do not go with --run"),
    ],
)
def test_wrong_questions_are_usage_errors(line: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(line) == 2
    assert said in capsys.readouterr().err
