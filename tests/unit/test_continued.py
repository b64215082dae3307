"""Which run a new orchestrator process belongs to, and what its log looks like."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from skyrack.orchestrator.clock import RealClock
from skyrack.orchestrator.runtime.continued import RunState, boot_id, read_state, state_file, write_state
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.grafana import keep_password
from skyrack.orchestrator.runtime.plain_log import QUIET_S, PlainLog
from skyrack.orchestrator.runtime.progress import Progress


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A directory of runs with one in it."""
    (tmp_path / "runs" / "first").mkdir(parents=True)
    (tmp_path / "runs" / "first" / "scenario.yaml").touch()
    return tmp_path / "runs"


def test_the_same_scenario_in_the_same_boot_goes_on(tmp_path: Path, runs: Path) -> None:
    file = state_file(tmp_path, "demo")
    assert read_state(file, "digest", runs) is None
    state = RunState(boot_id(), "digest", 123, "first")
    write_state(file, state)
    assert read_state(file, "digest", runs) == state


@pytest.mark.parametrize(
    "change",
    [
        {"boot_id": "another"},
        {"scenario_digest": "another"},
        {"run_dir": "gone"},
        {"run_dir": "../runs/first"},
        {"run_dir": "."},
        {"run_dir": ""},
        {"run_dir": 3},
        {"t0_monotonic_ns": "yesterday"},
        {"more": 1},
    ],
    ids=str,
)
def test_anything_else_is_a_new_run(tmp_path: Path, runs: Path, change: dict[str, Any]) -> None:
    file = state_file(tmp_path, "demo")
    file.write_text(json.dumps(asdict(RunState(boot_id(), "digest", 123, "first")) | change))
    assert read_state(file, "digest", runs) is None
    file.write_text("{")
    assert read_state(file, "digest", runs) is None


def test_a_run_that_goes_on_numbers_its_events_on_and_still_knows_the_old_ones(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    first = EventLog(path, RealClock())
    first.add("one")
    first.add("two")
    first.close()
    with path.open("a") as file:
        file.write('{"seq": 3, "ev')  # a kill
        file.write("\n[]\n")
    second = EventLog(path, RealClock())
    second.add("three")
    second.close()
    assert [(event["seq"], event["event"]) for event in second.since(1)] == [(2, "two"), (3, "three")]


class ManualClock:
    """Time that a test moves."""

    now_s = 0.0

    def run_s(self) -> float:
        """Run time."""
        return self.now_s

    def utc(self) -> datetime:
        """Never asked."""
        return datetime(2026, 1, 1, tzinfo=UTC)

    async def sleep(self, seconds: float) -> None:
        """Never asked."""


def test_a_containers_log_is_lines_for_people_and_a_long_start_does_not_flood_it() -> None:
    out, clock = io.StringIO(), ManualClock()
    progress = Progress(PlainLog(out, clock))
    with progress.step("nodes") as step:
        for count in range(50):
            clock.now_s += QUIET_S / 20
            step.update(f"{count}/50 serving")
        step.text = "50/50 serving"
    progress.send(event={"seq": 1, "run_s": 1.5, "event": "node_exited", "node": "a", "signal": 9})
    progress.send(event={"seq": 2, "run_s": 1.6, "event": "node_lit", "node": "a"})
    progress.send(note="fabric at normal priority: one core only")
    progress.send(ready={"run": "demo", "nodes": []})
    progress.never_wait()
    lines = out.getvalue().splitlines()
    running = [line for line in lines if line.startswith(".. nodes")]
    assert running == [
        ".. nodes      0/50 serving",
        ".. nodes      20/50 serving",
        ".. nodes      40/50 serving",
    ]
    assert lines[-4].startswith("ok nodes      50/50 serving (")
    assert lines[-3:] == [
        "1.500 s  a ended: killed by SIGKILL",
        "note: fabric at normal priority: one core only",
        "ready: every node of demo serves",
    ]


def test_grafanas_password_is_made_once(tmp_path: Path) -> None:
    keep_password(tmp_path)
    first = (tmp_path / "password").read_text()
    assert len(first) >= 20
    keep_password(tmp_path)
    assert (tmp_path / "password").read_text() == first
