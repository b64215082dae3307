"""Handovers are those of the plan, told when they happen; partitions are counted over all links."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from skyrack.orchestrator.routing.force_log import ForceLog
from skyrack.orchestrator.routing.handovers import handovers
from skyrack.orchestrator.routing.plan import plan_records
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.handovers import HandoverWatch
from skyrack.orchestrator.scenario import Scenario, load_scenario
from skyrack.orchestrator.topology.failures import NO_FAILURES, Failures
from skyrack.orchestrator.topology.geometry import Geometry
from skyrack.orchestrator.topology.lit import Links, count_parts, lit_links

SPAN_S = 600.0


@pytest.fixture(scope="module")
def geometry() -> Geometry:
    return Geometry(load_scenario("iridium"))


def test_they_are_the_handovers_of_the_plan(geometry: Geometry) -> None:
    names = geometry.names
    planned = {
        (record["t_s"], record["station"], record["from"], record["to"])
        for record in plan_records(geometry, SPAN_S)
        if record["record"] == "handover" and record["from"] and record["to"]
    }
    found, epoch = set(), geometry.epoch(0.0)
    while epoch.t1_s < SPAN_S:
        before, epoch = epoch, geometry.epoch(epoch.t1_s)
        for station, frm, to in handovers(before, epoch, range(geometry.n_sat, geometry.n_nodes)):
            found.add((round(epoch.t0_s, 6), names[station], names[frm], names[to]))
    assert len(found) > 5
    assert found == planned


def test_a_destination_without_a_way_is_not_handed_over(geometry: Geometry) -> None:
    epoch = geometry.epoch(0.0)
    nowhere = dataclasses.replace(epoch, next_hop=np.full_like(epoch.next_hop, -1))
    stations = range(geometry.n_sat, geometry.n_nodes)
    assert handovers(epoch, nowhere, stations) == handovers(nowhere, epoch, stations) == []


class SteppedClock:
    """Wakes sleepers one after the other, in order of time."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    def run_s(self) -> float:
        return self.now_s

    def utc(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    async def sleep(self, seconds: float) -> None:
        awake = asyncio.Event()
        self._sleepers.append((self.now_s + max(0.0, seconds), awake))
        await awake.wait()

    async def pass_all(self) -> None:
        """Let time pass until nobody sleeps."""
        await _settle()
        while self._sleepers:
            self._sleepers.sort(key=lambda sleeper: sleeper[0])
            self.now_s, awake = self._sleepers.pop(0)
            awake.set()
            await _settle()


async def _settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_an_epoch_told_ahead_is_an_event_when_it_begins_unless_it_was_taken_back(
    geometry: Geometry, tmp_path: Path
) -> None:
    stations = list(range(geometry.n_sat, geometry.n_nodes))
    first = epoch = geometry.epoch(0.0)
    while not handovers(first, epoch, stations):
        epoch = geometry.epoch(epoch.t1_s)
    log, clock = ForceLog(), SteppedClock()
    events = EventLog(tmp_path / "events.jsonl", clock)
    watch = HandoverWatch(geometry.names, stations, log.epoch_at, events, clock)
    for at_s, force in ((0.0, first), (20.0, first), (30.0, epoch), (15.0, first), (40.0, epoch)):
        log.record(at_s, force)  # 15.0 takes back what was told for 20.0 and 30.0
        watch.expect(at_s)
    task = asyncio.create_task(watch.run())
    await clock.pass_all()
    task.cancel()
    found = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert {event["run_s"] for event in found} == {40.0}
    assert sum(watch.counts.values()) == len(found) == len(handovers(first, epoch, stations))
    assert found[0]["from"] != found[0]["to"]
    assert found[0]["node"] in watch.counts


async def test_a_handover_with_a_gap_is_one_event_at_the_gaps_end(tmp_path: Path) -> None:
    keys = load_scenario("iridium").model_dump(mode="json")
    keys["links"] |= {"antennas": 1, "handover": "break-before-make"}
    geometry = Geometry(Scenario.model_validate(keys))
    stations = list(range(geometry.n_sat, geometry.n_nodes))
    log, clock, t_s = ForceLog(), SteppedClock(), 0.0
    watch = HandoverWatch(
        geometry.names, stations, log.epoch_at, EventLog(tmp_path / "events.jsonl", clock), clock
    )
    while t_s < SPAN_S:
        epoch = geometry.epoch(t_s)
        log.record(t_s, epoch)
        watch.expect(t_s)
        t_s = epoch.t1_s
    task = asyncio.create_task(watch.run())
    await clock.pass_all()
    task.cancel()
    found = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    planned = [
        (record["t_s"], record["station"], record["from"], record["to"])
        for record in plan_records(geometry, SPAN_S)
        if record["record"] == "handover"
    ]
    assert len(planned) > 1
    assert [(e["run_s"], e["node"], e["from"], e["to"]) for e in found] == planned
    first_s = planned[0][0] - geometry.scenario.links.handover_gap_s
    assert geometry.grid_clock.boundary_s(geometry.grid_clock.number_at(planned[0][0])) == pytest.approx(
        first_s
    )


# Partitions


def links(*pairs: tuple[int, int]) -> Links:
    a, b = (np.array(side, np.int32) for side in zip(*pairs, strict=True))
    return Links(a, b, np.zeros(len(pairs), np.uint8))


@pytest.mark.parametrize(
    ("pairs", "members", "parts"),
    [
        (((0, 1), (1, 2), (2, 3)), (0, 3), 1),
        (((0, 1), (2, 3)), (0, 3), 2),
        (((0, 1), (2, 3)), (0, 1), 1),
        (((0, 1), (2, 3)), (), 0),
        (((0, 1),), (2, 3, 0), 3),
    ],
)
def test_parts_are_counted_among_members_over_links_of_everybody(
    pairs: tuple[tuple[int, int], ...], members: tuple[int, ...], parts: int
) -> None:
    assert count_parts(links(*pairs), 4, members) == parts


def test_a_dark_node_takes_its_links_with_it(geometry: Geometry) -> None:
    epoch = geometry.epoch(0.0)
    node = int(epoch.a[0])
    left = lit_links(epoch, Failures(frozenset({node})))
    assert len(left.a) < len(epoch.a)
    assert node not in {*left.a.tolist(), *left.b.tolist()}
    assert len(lit_links(None, NO_FAILURES).a) == 0
