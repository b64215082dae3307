"""States of nodes, back-off and giving up, with a stand-in for the zygote's messages."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.nodes import NodeBook, NodeState
from skyrack.orchestrator.runtime.spawned_nodes import (
    FIRST_BACKOFF_S,
    LONGEST_BACKOFF_S,
    MOST_FAILED_STARTS,
    STABLE_S,
    SpawnedNodes,
    backoff_s,
)


class ManualClock:
    """Time that a test moves; sleeping notes for how long and returns at once."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.slept_s: list[float] = []
        self.turn = asyncio.Event()

    def run_s(self) -> float:
        """Run time."""
        return self.now_s

    def utc(self) -> datetime:
        """Never asked."""
        return datetime(2026, 1, 1, tzinfo=UTC)

    async def sleep(self, seconds: float) -> None:
        """Note it."""
        self.slept_s.append(seconds)
        self.turn.set()


class Supervised:
    """Two nodes whose zygote is this test."""

    def __init__(self, directory: Path, *, restart: bool = True) -> None:
        self.clock = ManualClock()
        self.events = EventLog(directory / "events.jsonl", self.clock)
        self.a = NodeState(0, "a", "satellite", "100.64.0.1")
        self.b = NodeState(1, "b", "ground", "100.64.0.2")
        self.supervisor = SpawnedNodes(
            NodeBook([self.a, self.b], self.events, self.clock),
            lambda node: {"name": node.name},
            self.events,
            self.clock,
            log=directory / "zygote.log",
            may_start=asyncio.Event(),
            restart=restart,
        )
        self.sent: list[dict[str, Any]] = []
        self.supervisor._send = self.sent.append  # type: ignore[assignment, method-assign]

    def hear(self, event: str, name: str = "a", **fields: Any) -> None:
        """The zygote says something."""
        self.supervisor._hear({"event": event, "name": name, **fields})

    def serve(self, node: NodeState, pid: int = 7) -> None:
        """Bring a node up."""
        self.hear("spawned", node.name, pid=pid)
        self.supervisor.attached(node, True)
        self.supervisor.joined(node, True)

    def told(self) -> list[tuple[str, Any]]:
        """Events so far: name and cause."""
        return [(event["event"], event.get("cause")) for event in self.events.since(0)]


@pytest.fixture
async def it(tmp_path: Path) -> Supervised:
    """Two nodes, restarts on."""
    return Supervised(tmp_path)


def test_back_off_doubles_up_to_its_limit_and_never_overflows() -> None:
    waits = [backoff_s(failures) for failures in range(1, 12)]
    assert waits[0] == FIRST_BACKOFF_S
    assert all(b in (2 * a, LONGEST_BACKOFF_S) for a, b in pairwise(waits))
    assert backoff_s(10_000) == LONGEST_BACKOFF_S


async def test_a_node_serves_when_its_process_lasers_and_stream_are_there(it: Supervised) -> None:
    node = it.a
    assert node.state == "starting"
    it.hear("spawned", pid=7)
    assert (node.state, node.pid) == ("starting", 7)
    it.supervisor.attached(node, True)
    assert node.state == "starting"
    it.supervisor.joined(node, True)
    assert node.state == "serving"
    assert it.told() == [("node_serving", "start")]


async def test_a_dead_node_is_dark_at_once_and_serves_again_by_another_cause(it: Supervised) -> None:
    it.serve(it.a)
    it.serve(it.b)
    it.hear("exited", status={"signal": 9})
    assert (it.a.state, it.a.pid) == ("dark", 0)
    it.supervisor.attached(it.a, False)
    it.a.restarts += 1
    it.serve(it.a, 8)
    assert it.told()[2:] == [("node_exited", None), ("node_serving", "restart"), ("all_serving", None)]


async def test_after_another_fabric_nodes_serve_again_without_a_restart(it: Supervised) -> None:
    it.serve(it.a)
    it.serve(it.b)
    for node in (it.a, it.b):
        it.supervisor.attached(node, False)
        assert node.state == "starting"
    for node in (it.a, it.b):
        it.supervisor.attached(node, True)
    assert it.told()[2:] == [("node_serving", "attach"), ("node_serving", "attach"), ("all_serving", None)]


async def test_a_node_that_served_for_long_starts_again_with_the_first_back_off(it: Supervised) -> None:
    it.serve(it.a)
    for failures in (1, 2, 3):
        it.hear("exited", status={"code": 1})
        assert it.a.failures == failures
    it.serve(it.a)
    it.clock.now_s += STABLE_S + 1
    it.hear("exited", status={"code": 1})
    assert it.a.failures == 1


async def test_whoever_listens_hears_of_changed_states_only(it: Supervised) -> None:
    heard: list[str] = []
    it.supervisor.book.listen(lambda node: heard.append(f"{node.name} {node.state}"))
    it.serve(it.a)
    it.hear("exited", status={"signal": 9})
    it.supervisor.attached(it.a, False)
    assert heard == ["a serving", "a dark"]


async def test_a_crashed_node_is_spawned_after_its_back_off(it: Supervised) -> None:
    it.serve(it.a)
    async with asyncio.TaskGroup() as tasks:
        watcher = tasks.create_task(it.supervisor._restart_crashed(tasks))
        async with asyncio.timeout(60):
            for starts in range(1, 4):
                it.hear("exited", status={"signal": 9})
                while len(it.sent) < starts:
                    await it.clock.turn.wait()
                    it.clock.turn.clear()
                    await asyncio.sleep(0)
                it.hear("spawned", pid=7 + starts)
        watcher.cancel()
    assert it.sent == [{"op": "spawn", "config": {"name": "a"}}] * 3
    assert it.a.restarts == 3
    assert len(it.clock.slept_s) == 3
    assert it.clock.slept_s[0] >= FIRST_BACKOFF_S


async def test_without_restarts_a_crashed_node_stays_down(tmp_path: Path) -> None:
    it = Supervised(tmp_path, restart=False)
    it.serve(it.a)
    it.hear("exited", status={"signal": 9})
    assert it.supervisor._restarts.empty()
    assert not it.supervisor._given_up.done()


async def test_the_start_is_given_up_after_a_few_failures_with_the_last_words(it: Supervised) -> None:
    for _ in range(MOST_FAILED_STARTS - 1):
        it.hear("failed", error="no memory")
        assert not it.supervisor._given_up.done()
    it.hear("failed", error="no memory")
    with pytest.raises(RuntimeError, match=r"^a does not start \(3 attempts\): no memory$"):
        await it.supervisor._give_up()


async def test_a_node_that_once_served_is_never_given_up(it: Supervised) -> None:
    it.serve(it.a)
    for _ in range(20):
        it.hear("exited", status={"code": 1})
    assert not it.supervisor._given_up.done()


async def test_messages_about_nobody_are_recorded_not_raised(it: Supervised) -> None:
    it.hear("exited", "stranger", status={})
    it.supervisor._hear({"event": "error", "error": "no node 'a' runs"})
    assert [event["event"] for event in it.events.since(0)] == ["zygote_exited", "zygote_error"]
    json.dumps(it.events.since(0))


async def test_a_node_that_is_off_is_killed_and_not_started_before_it_is_on(tmp_path: Path) -> None:
    it = Supervised(tmp_path)
    it.serve(it.a)
    off = asyncio.create_task(it.supervisor.switch_off(it.a))
    await asyncio.sleep(0)
    assert it.sent == [{"op": "signal", "name": "a", "signal": 9}]
    it.hear("exited", pid=7, status={"signal": 9})
    async with it.supervisor._news:
        it.supervisor._news.notify_all()
    await off
    assert it.a.state == "dark"
    assert it.supervisor._restarts.empty()
    it.supervisor.switch_on(it.a)
    assert it.sent[1:] == [{"op": "spawn", "config": {"name": "a"}}]
    assert it.a.restarts == 1
    it.supervisor.switch_on(it.a)
    assert len(it.sent) == 2, "it is on its way"


async def test_a_node_that_starts_while_it_is_switched_off_ends_at_once(tmp_path: Path) -> None:
    it = Supervised(tmp_path)
    it.serve(it.a)
    it.hear("exited", pid=7, status={"signal": 9})
    it.supervisor._start_again(it.a)
    it.sent.clear()
    off = asyncio.create_task(it.supervisor.switch_off(it.a))
    await asyncio.sleep(0)
    assert it.sent == []
    it.hear("spawned", pid=8)
    assert it.sent == [{"op": "signal", "name": "a", "signal": 9}]
    it.hear("exited", pid=8, status={"signal": 9})
    async with it.supervisor._news:
        it.supervisor._news.notify_all()
    await off


async def test_a_restart_that_is_due_while_a_node_is_off_does_not_take_place(tmp_path: Path) -> None:
    it = Supervised(tmp_path)
    it.serve(it.a)
    it.hear("exited", pid=7, status={"signal": 11})
    await it.supervisor.switch_off(it.a)
    await it.supervisor._restart_later(it.a)
    assert it.sent == []


async def test_a_node_that_is_not_there_yet_starts_when_it_is_let_in_and_that_is_no_restart(
    tmp_path: Path,
) -> None:
    it = Supervised(tmp_path)
    it.supervisor.keep_off(it.a)
    it.supervisor.switch_on(it.a)
    assert it.sent == [{"op": "spawn", "config": {"name": "a"}}]
    it.serve(it.a)
    assert (it.a.state, it.a.restarts) == ("serving", 0)
    assert it.told()[-1] == ("node_serving", "start")


async def test_all_serve_where_those_that_are_not_in_service_do_not(tmp_path: Path) -> None:
    it = Supervised(tmp_path)
    book = it.supervisor.book
    book.update(it.a, phase="commissioning")
    it.serve(it.b)
    assert (it.a.state, book.all_serving()) == ("commissioning", True)
    book.update(it.a, phase="")
    assert (it.a.state, book.all_serving()) == ("starting", False)
