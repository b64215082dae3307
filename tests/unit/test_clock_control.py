"""A change of the clock begins where the clock is by then, never goes back, and is known to who goes on with the run."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from skyrack.orchestrator.runtime.clock_control import LEAD_S, ClockControl
from skyrack.orchestrator.runtime.clock_journal import ClockJournal
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.timeline import Piece, Timeline

START = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    """Run time that passes in `sleep`, and where the test says so."""

    now_s = 10.0

    def run_s(self) -> float:
        return self.now_s

    def utc(self) -> datetime:
        return START

    async def sleep(self, seconds: float) -> None:
        self.now_s += max(0.0, seconds)


class World:
    """The clock of a run at speed 60. `takes_s`: real time that the geometry of a new instant takes."""

    def __init__(self, directory: Path) -> None:
        self.clock, self.timeline = Clock(), Timeline(60.0)
        self.journal = ClockJournal(directory / "clock.jsonl")
        self.events = directory / "events.jsonl"
        self.asked: list[tuple[str, float]] = []  # of geometry and fabric, in order
        self.takes_s, self.why_not = 0.0, ""
        self.control = ClockControl(
            self.timeline, 60.0, START, self.clock, EventLog(self.events, self.clock), self.journal,
            self._prepare, self._turn, self._next_eclipse,
        )  # fmt: skip

    async def _prepare(self, t_s: float) -> None:
        self.asked.append(("prepare", t_s))
        self.clock.now_s += self.takes_s
        if self.why_not:
            raise ValueError(self.why_not)

    async def _turn(self, run_s: float) -> None:
        assert self.journal.read()[-1][0] == self.timeline.pieces[-1], (
            "it is written down before anybody hears of it"
        )
        self.asked.append(("turn", run_s))

    async def _next_eclipse(self, node: str, t_s: float) -> float:
        raise AssertionError

    async def change(self, action: str, **more: Any) -> dict[str, Any]:
        answer: dict[str, Any] = await self.control.change({"action": action, **more})
        return answer


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_a_jump_by_a_span_is_as_far_from_where_the_clock_is_by_then(world: World) -> None:
    world.takes_s = 2.0
    changed = (await world.change("jump", by_s=1000.0))["changed"]
    assert changed["before"]["t_s"] == pytest.approx(60.0 * (12.0 + LEAD_S))
    assert changed["after"]["t_s"] - changed["before"]["t_s"] == pytest.approx(1000.0)
    assert world.asked == [("prepare", 1600.0), ("turn", 12.0 + LEAD_S)]
    assert world.clock.now_s == pytest.approx(12.0 + LEAD_S), "the answer comes when it is in force"
    (event,) = [json.loads(line) for line in world.events.read_text().splitlines()]
    assert (event["event"], event["run_s"]) == ("clock_changed", 12.0 + LEAD_S)


async def test_a_jump_that_the_clock_has_overtaken_meanwhile_does_not_take_it_back(world: World) -> None:
    world.takes_s = 10.0
    changed = (await world.change("jump", to_t_s=700.0))["changed"]
    assert changed["after"]["t_s"] == changed["before"]["t_s"] == pytest.approx(60.0 * (20.0 + LEAD_S))


async def test_a_jump_to_where_no_orbit_is_changes_nothing(world: World) -> None:
    world.why_not = "no orbit"
    with pytest.raises(ValueError, match="no orbit"):
        await world.change("jump", by_s=1000.0)
    assert world.timeline.pieces == (Piece(0.0, 0.0, 60.0),)
    assert world.journal.read() == []
    assert not world.events.exists() or not world.events.read_text()
    assert (await world.change("pause"))["changed"]["cause"] == "pause", "and the clock may still be changed"


async def test_a_speed_that_is_set_while_it_is_paused_is_known_to_who_goes_on_with_the_run(
    world: World,
) -> None:
    await world.change("pause")
    assert (await world.change("speed", speed=5.0))["changed"] is None
    pieces = world.journal.read()
    assert [(piece.speed, set_speed) for piece, set_speed in pieces] == [(0.0, 60.0), (0.0, 5.0)]
    assert pieces[0][0] == pieces[1][0]
    resumed = (await world.change("resume"))["changed"]
    assert resumed["after"]["speed"] == 5.0
