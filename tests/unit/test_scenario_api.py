"""The public surface of the package: names, errors, speed."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from skyrack.orchestrator import scenario
from skyrack.orchestrator.scenario import Problem, ScenarioError, load_scenario

LOADING_S = 0.3  # a preset, in a process that has imported everything


def test_exported_names_are_the_promised_ones() -> None:
    promised = {
        "Problem",
        "Scenario",
        "ScenarioError",
        "dump_scenario",
        "json_schema",
        "load_scenario",
        "preset_names",
        "satellite_names",
        "station_names",
    }
    assert promised <= set(scenario.__all__)
    assert sorted(scenario.__all__, key=str.lower) == sorted(set(scenario.__all__), key=str.lower)
    assert all(hasattr(scenario, name) for name in scenario.__all__)


def test_a_problem_carries_position_message_hint_and_line(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("extends: iridium\nlinks:\n  los_ratio: 1\n")
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)
    assert caught.value.problems == (
        Problem(
            str(path),
            3,
            3,
            "unknown key 'los_ratio'",
            "did you mean 'loss_ratio'?",
            "  los_ratio: 1",
            width=9,
        ),
    )
    assert str(caught.value) == caught.value.problems[0].render()


def test_files_and_presets_are_found_by_text_and_by_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text("extends: iridium\nname: mine\n")
    Path("plain").write_text("extends: iridium\nname: plain\n")
    assert load_scenario("mine.yaml").name == load_scenario(Path("mine.yaml")).name == "mine"
    assert load_scenario("plain").name == "plain", "any file that exists, whatever its name"
    assert load_scenario("iridium").name == "iridium"


@pytest.mark.parametrize("name", ["no\0where", "x" * 5000, "", "/dev/null/x.yaml", "no\0where.yaml"])
def test_names_no_file_can_have_are_errors(name: str) -> None:
    with pytest.raises(ScenarioError):
        load_scenario(name)


@pytest.mark.parametrize(
    ("line", "column", "width", "caret"),
    [
        ("  näme: x", 3, 4, "^^^^"),
        ("名前: x", 1, 2, "^^^^"),
        ("e\u0301: x", 4, 1, "^"),
        ("\tseed: 3", 1, 1, "^"),
    ],
)
def test_the_caret_stands_under_the_word_whatever_the_letters(
    line: str, column: int, width: int, caret: str
) -> None:
    _, shown, below = Problem("f", 1, column, "m", None, line, width).render().splitlines()
    assert below.strip() == caret
    assert shown.startswith("    ")


def test_a_very_long_line_is_cut_around_the_caret() -> None:
    line = "a: [" + "1, " * 500 + "oops" + ", 1" * 500 + "]"
    _, shown, below = Problem("f", 1, line.index("oops") + 1, "m", None, line, 4).render().splitlines()
    assert len(shown) < 140
    assert shown[below.index("^") : below.rindex("^") + 1] == "oops"


def test_loading_the_demo_takes_no_noticeable_time() -> None:
    load_scenario("iridium")
    start = time.process_time()
    load_scenario("iridium")
    assert time.process_time() - start < LOADING_S


def test_reading_a_scenario_imports_no_numerics() -> None:
    code = "import sys, skyrack.orchestrator.scenario; print([m for m in ('numpy', 'scipy', 'grpc') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]", "it would make every command slow to start"
