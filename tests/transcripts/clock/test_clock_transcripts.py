"""What a user reads who sets the clock of a run, word for word; the run is one whose orbits are there and nothing else."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import pytest
from typer.testing import CliRunner

from skyrack.orchestrator.cli import clock as clock_cli
from skyrack.orchestrator.cli.exits import USAGE, Problem
from skyrack.orchestrator.cli.main import application
from skyrack.orchestrator.environment.eclipses import next_eclipse_s
from skyrack.orchestrator.runtime.clock_control import ClockControl
from skyrack.orchestrator.runtime.clock_journal import ClockJournal
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.scenario import load_scenario
from skyrack.orchestrator.timeline import Timeline
from skyrack.orchestrator.topology.geometry import Geometry

CASES = sorted((Path(__file__).parent / "cases").glob("*.txt"))


class Command(Protocol):
    """What the transcript runner hands over."""

    @property
    def name(self) -> str: ...
    @property
    def line(self) -> str: ...


class Clock:
    """Run time, which passes in `sleep`."""

    now_s = 0.0

    def run_s(self) -> float:
        return self.now_s

    def utc(self) -> datetime:
        return datetime.fromisoformat("2026-01-01T00:00:00+00:00")

    async def sleep(self, seconds: float) -> None:
        self.now_s += max(0.0, seconds)


class Run:
    """As `find_run` finds it."""

    def __init__(self, directory: Path) -> None:
        geometry = Geometry(load_scenario("iridium"))
        self.clock = Clock()
        self.timeline = Timeline(1.0)
        self.turns: list[float] = []
        self.journal = ClockJournal(directory / "clock.jsonl")

        async def prepare(t_s: float) -> None:
            geometry.epoch(t_s)

        async def turn(run_s: float) -> None:
            self.turns.append(run_s)

        async def next_eclipse(name: str, t_s: float) -> float:
            if name not in geometry.names:
                raise KeyError(f"no node is called {name!r}")
            return next_eclipse_s(geometry, geometry.index_of(name), t_s)

        self.control = ClockControl(
            self.timeline,
            1.0,
            geometry.start,
            self.clock,
            EventLog(directory / "events.jsonl", self.clock),
            self.journal,
            prepare,
            turn,
            next_eclipse,
        )

    def ask(self, method: str, _: str, body: Any = None) -> Any:
        """As a LiveRun; what the run refuses is a usage error."""
        try:
            return self.control.state() if method == "GET" else asyncio.run(self.control.change(body))
        except (ValueError, KeyError) as error:
            raise Problem(str(error.args[0]), status=USAGE) from error


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_who_sets_the_clock_gets_the_answer_of_the_transcript(
    path: Path,
    check_transcript: Callable[[Path, Callable[[Command], str]], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """skyrack: the command line. wait: that many real seconds pass."""
    run = Run(tmp_path)
    monkeypatch.setattr(clock_cli, "find_run", lambda name: run)

    def handle(command: Command) -> str:
        words = shlex.split(command.line)
        if command.name == "wait":
            run.clock.now_s += float(words[1])
            return f"run {run.clock.now_s:.3f} s"
        result = CliRunner().invoke(application(("clock",)), words[1:])
        status = f"\n=> exit status {result.exit_code}" if result.exit_code else ""
        return "\n".join(filter(None, result.output.splitlines())) + status

    check_transcript(path, handle)
    assert len(run.turns) == len(run.timeline.pieces) - 1, "what changed nothing disturbs no fabric"
    kept = run.journal.read()
    assert [piece for piece, _ in {one.run_s: (one, at) for one, at in kept}.values()] == list(
        run.timeline.pieces[1:]
    ), "who goes on with the run has the same timeline"


def test_there_are_transcripts() -> None:
    assert CASES
