"""What waits for orbit time comes when orbit time does: once, whatever the clock is told meanwhile."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from skyrack.orchestrator.faults.effect import Effect
from skyrack.orchestrator.faults.fault import Draft, Fault
from skyrack.orchestrator.faults.occurrence import Known, Occurrence, known_of
from skyrack.orchestrator.faults.problem import Unknown
from skyrack.orchestrator.faults.targets import Target
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.fault_journal import FaultJournal
from skyrack.orchestrator.runtime.occurrences import LEAD_S, Occurrences
from skyrack.orchestrator.timeline import Timeline

from .virtual_time import VirtualTime


class Every:
    """A node is off for `for_t_s` from every whole `period_s` on."""

    name = "every"

    def __init__(self, period_s: float = 10.0, for_t_s: float | None = None, node: str = "p0s00") -> None:
        self.period_s, self.for_t_s, self.node = period_s, for_t_s, node

    def between(self, first_t_s: float, last_t_s: float) -> list[Occurrence]:
        number = -int(-first_t_s // self.period_s)
        found = []
        while (t_s := number * self.period_s) < last_t_s:
            found.append(Occurrence(t_s, {"kind": "reboot", "nodes": [self.node]}, self.for_t_s))
            number += 1
        return found


class Lasts(Every):
    """The same, and who comes into the middle of it finds it."""

    name = "lasts"

    def under_way(self, t_s: float) -> list[Occurrence]:
        assert self.for_t_s is not None
        began = self.between(t_s - self.for_t_s + 1e-9, t_s)
        return [one for one in began if one.t_s < t_s < one.t_s + self.for_t_s]


class Book:
    """Notes what is entered, and for how long."""

    def __init__(self, time: VirtualTime) -> None:
        self._time = time
        self.occurred: Mapping[str, Known] = {}  # by another orchestrator
        self.since_s: list[float] = []
        self.known: list[Known] = []
        self.until_s: dict[str, float] = {}

    async def foresee(self, occurrence: Occurrence) -> Draft:
        if occurrence.entry["nodes"] == ["nobody"]:
            raise Unknown("no node is called 'nobody'")
        return Draft("reboot", Target(("p0s00",)), {}, Effect(), 30.0, "test")

    def enter(self, draft: Draft, since_s: float, until_s: float, known: Known) -> str:
        assert since_s <= self._time.run_s() + LEAD_S + 1e-9
        name = f"f{len(self.since_s) + 1}"
        self.since_s.append(round(max(since_s, self._time.run_s()), 3))
        self.known.append(known)
        self.until_s[name] = until_s
        return name

    def until(self, fault_id: str, until_s: float) -> None:
        if self.is_there(fault_id):
            self.until_s[fault_id] = max(until_s, self._time.run_s())

    def is_there(self, fault_id: str) -> bool:
        return self.until_s.get(fault_id, 0.0) > self._time.run_s()


class World:
    """A run of `for_s` in which the clock is told things."""

    def __init__(self, tmp_path: Path, speed: float = 1.0) -> None:
        self.time = VirtualTime()
        self.timeline = Timeline(speed)
        self.book = Book(self.time)
        self.log = tmp_path / "events.jsonl"

    def run(
        self,
        sources: Sequence[Any],
        for_s: float,
        told: Mapping[float, Callable[[Occurrences], object]] | None = None,
        *,
        begin_s: float = 0.0,
    ) -> Occurrences:
        events = EventLog(self.log, self.time)
        made: list[Occurrences] = []

        async def live() -> None:
            await self.time.sleep(begin_s)
            before = self.book.occurred if begin_s else None
            occurrences = Occurrences(sources, self.timeline, self.book, events, self.time, before=before)
            made.append(occurrences)
            work = asyncio.create_task(occurrences.run())
            for at_s, tell in sorted((told or {}).items()):
                await self.time.sleep(at_s - self.time.run_s())
                tell(occurrences)
            await self.time.sleep(for_s - self.time.run_s())
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

        self.time.run(live())
        events.close()
        return made[0]

    def change(self, **what: float) -> Callable[[Occurrences], object]:
        return lambda _: self.timeline.change(self.time.run_s(), **what)

    def events(self, name: str) -> list[dict[str, Any]]:
        return [
            event
            for line in self.log.read_text().splitlines()
            if (event := json.loads(line))["event"] == name
        ]


@pytest.mark.parametrize("speed", [0.5, 1.0, 60.0, 1000.0])
def test_each_comes_at_its_instant_and_lasts_in_orbit_time(tmp_path: Path, speed: float) -> None:
    world = World(tmp_path, speed)
    world.run([Every(60.0, for_t_s=30.0)], 300.0 / speed - LEAD_S - 1e-3)
    assert world.book.since_s == [round(n * 60.0 / speed, 3) for n in range(5)]
    assert [round(until_s * speed, 6) for until_s in world.book.until_s.values()] == [30, 90, 150, 210, 270]


def test_none_comes_while_the_clock_stands_and_the_rest_at_the_new_speed(tmp_path: Path) -> None:
    world = World(tmp_path)
    told = {15.0: world.change(speed=0.0), 100.0: world.change(speed=10.0)}
    world.run([Every(10.0)], 103.0, told)
    assert world.book.since_s == [0.0, 10.0, 100.5, 101.5, 102.5]
    assert not world.events("occurrences_skipped")


def test_a_jump_leaves_out_what_it_jumps_over_and_says_so(tmp_path: Path) -> None:
    world = World(tmp_path)
    occurrences = world.run([Every(10.0)], 40.0, {12.0: world.change(t_s=95.0)})
    assert world.book.since_s == [0.0, 10.0, 17.0, 27.0, 37.0]
    assert [known.t_s for known in world.book.known] == [0.0, 10.0, 100.0, 110.0, 120.0]
    (event,) = world.events("occurrences_skipped")
    assert (event["reason"], event["kinds"]) == ("jump", {"reboot": 8})
    assert occurrences.skipped["reboot"] == sum(occurrences.skipped.values()) == 8


def test_a_jump_of_a_year_is_counted_without_holding_up_what_comes(tmp_path: Path) -> None:
    world = World(tmp_path)
    occurrences = world.run([Every(3600.0)], 10.0, {5.0: world.change(t_s=365 * 86_400.0 - 1.0)})
    assert occurrences.skipped["reboot"] == 365 * 24 - 1
    assert world.book.since_s == [0.0, 6.0]


def test_what_acts_ends_by_orbit_time_whatever_the_clock_is_told(tmp_path: Path) -> None:
    world = World(tmp_path, 10.0)
    told = {1.0: world.change(speed=1.0), 11.0: world.change(speed=0.0), 21.0: world.change(speed=2.0)}
    world.run([Every(1e6, for_t_s=60.0)], 30.0, told)
    assert world.book.until_s == {"f1": pytest.approx(41.0)}  # 10 at 10, 10 at 1, 10 s of none, 40 at 2
    world = World(tmp_path)
    world.run([Every(1e6, for_t_s=60.0)], 30.0, {20.0: world.change(t_s=500.0)})
    assert world.book.until_s == {"f1": 20.0}


def test_who_lands_in_the_middle_of_what_lasts_finds_it_under_way(tmp_path: Path) -> None:
    world = World(tmp_path)
    occurrences = world.run([Lasts(100.0, for_t_s=50.0)], 20.0, {10.0: world.change(t_s=320.0)})
    assert world.book.since_s == [0.0, 10.0]
    assert world.book.until_s == {"f1": 10.0, "f2": pytest.approx(40.0)}
    assert occurrences.skipped["reboot"] == 2  # at 100 and 200


def test_a_jump_within_what_lasts_does_not_enter_it_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run([Lasts(100.0, for_t_s=50.0)], 20.0, {10.0: world.change(t_s=30.0)})
    assert world.book.until_s == {"f1": pytest.approx(30.0)}


def test_what_is_drawn_anew_does_not_come_twice(tmp_path: Path) -> None:
    source = Every(10.0)

    def sooner(occurrences: Occurrences) -> None:
        source.period_s = 2.0
        occurrences.draw_anew()

    world = World(tmp_path)
    world.run([source], 15.5, {9.0: sooner})
    assert world.book.since_s == [0.0, 10.0, 12.0, 14.0]


def test_an_orchestrator_that_goes_on_enters_none_again_and_counts_what_it_missed(tmp_path: Path) -> None:
    first = World(tmp_path)
    first.run([Every(10.0, for_t_s=15.0)], 22.0)
    world = World(tmp_path)
    world.book.occurred = dict(zip(first.book.until_s, first.book.known, strict=True))
    occurrences = world.run([Every(10.0, for_t_s=15.0)], 75.0, begin_s=55.0)
    assert world.book.since_s == [60.0, 70.0]
    assert occurrences.skipped["reboot"] == 3  # at 30, 40 and 50
    assert world.events("occurrences_skipped")[0]["reason"] == "no orchestrator"


def test_what_cannot_be_is_said_when_it_would_have_been(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run([Every(10.0, node="nobody")], 15.0)
    failed = world.events("fault_failed")
    assert [round(event["run_s"]) for event in failed] == [0, 10]
    assert {(e["fault"], e["kind"], e["on"], e["reason"]) for e in failed} == {
        ("", "reboot", "nobody", "no node is called 'nobody'")
    }


def test_two_nodes_at_one_instant_are_two_occurrences() -> None:
    one = Every().between(0.0, 1.0)[0]
    other = replace(one, entry={**one.entry, "nodes": ["p0s01"]})
    assert known_of("every", one) != known_of("every", other)


def test_the_journal_tells_the_next_orchestrator_what_was_entered_and_when_it_ends(tmp_path: Path) -> None:
    journal = FaultJournal(tmp_path / "faults.jsonl")
    draft = Draft("reboot", Target(("p0s00",)), {}, Effect(), 30.0, "orbit")
    known = Known("every", "reboot p0s00", 12.5, 90.0)
    journal.entered([Fault("f1", draft, 1.0, 2.5)], known)
    journal.entered([Fault("f2", draft, 1.0, 31.0)])
    journal.ended("f1", math.inf)  # orbit time stands still
    first, second = journal.read() or []
    assert (first.occurrence, first.until_s) == (known, math.inf)
    assert second.occurrence is None
