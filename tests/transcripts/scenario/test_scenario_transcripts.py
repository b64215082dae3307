"""What a user reads when a scenario is wrong, word for word."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from skyrack.orchestrator.scenario import ScenarioError, dump_scenario, load_scenario, satellite_names

CASES = sorted((Path(__file__).parent / "cases").glob("*.txt"))


class Command(Protocol):
    """What the transcript runner hands over."""

    @property
    def name(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def flags(self) -> set[str]: ...
    @property
    def options(self) -> dict[str, str]: ...


def content(command: Command) -> bytes:
    """Return the input as bytes; the flag `escaped` allows \\t, \\x00 and bytes that are no text."""
    if "escaped" in command.flags:
        return command.text.encode("latin-1").decode("unicode_escape").encode("latin-1")
    return command.text.encode()


def handle(command: Command) -> str:
    """file: write a file. load: write it and load it. open: load what `source` names. dump: load and print it resolved."""
    source = command.options.get("source") or command.options.get("name", "mine.yaml")
    if command.name in ("file", "load", "dump"):
        Path(source).parent.mkdir(parents=True, exist_ok=True)
        Path(source).write_bytes(content(command))
    if command.name == "file":
        return "written"
    try:
        scenario = load_scenario(source)
    except ScenarioError as error:
        return str(error)
    if command.name == "dump":
        return dump_scenario(scenario)
    count = len(satellite_names(scenario))
    return f"ok: {scenario.name}, {count} satellites, {len(scenario.ground)} ground stations"


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_scenario_gets_the_answer_of_the_transcript(
    path: Path,
    check_transcript: Callable[[Path, Callable[[Command], str]], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    check_transcript(path, handle)


def test_there_are_transcripts() -> None:
    assert len(CASES) >= 5
