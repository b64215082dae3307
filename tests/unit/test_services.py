"""What nodes are told to run, and what their reports make of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from skyrack.orchestrator.clock import RealClock
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.nodes import NodeBook, NodeState
from skyrack.orchestrator.runtime.progress import Progress
from skyrack.orchestrator.runtime.services.awaited import every_service_ready
from skyrack.orchestrator.runtime.services.entry import settled_words
from skyrack.orchestrator.runtime.services.groups import Group
from skyrack.orchestrator.runtime.services.kept import Kept, read
from skyrack.orchestrator.runtime.services.services import ServiceProblem, Services
from skyrack.orchestrator.runtime.services.specs import Room
from skyrack.orchestrator.scenario import Service
from skyrack.v1 import service_pb2

READY, FAILED = service_pb2.SERVICE_PHASE_READY, service_pb2.SERVICE_PHASE_FAILED
STARTING, WAITING = service_pb2.SERVICE_PHASE_STARTING, service_pb2.SERVICE_PHASE_WAITING


class Room3:
    """Room for everything; remembers what was given up."""

    def __init__(self) -> None:
        self.forgotten: list[tuple[str, str, bool]] = []

    def prepare(self, node: str, service: Service) -> tuple[Room, Group]:
        return Room(data=f"/data/{node}/{service.name}"), Group()

    def forget(self, node: str, service: str, group: Group, *, data: bool) -> None:
        self.forgotten.append((node, service, data))

    def end(self) -> None: ...


class World:
    """Three nodes, all alive."""

    def __init__(self, directory: Path, *services: Service, kept: Kept | None = None) -> None:
        clock = RealClock()
        self.events = EventLog(directory / "events.jsonl", clock)
        nodes = [
            NodeState(i, name, "ground" if name == "london" else "satellite", f"100.64.0.{i + 1}", alive=True)
            for i, name in enumerate(("p0s00", "p0s01", "london"))
        ]
        self.book = NodeBook(nodes, self.events, clock)
        self.room = Room3()
        self.clock = clock
        self.file = directory / "services.json"
        self.services = Services("r", services, self.book, self.room, self.events, clock, self.file, kept)

    def report(self, node: str, phase: service_pb2.ServicePhase.ValueType, **fields: Any) -> None:
        spec = self.services.list_for(node).services[0]
        status = service_pb2.ServiceStatus(name=spec.name, generation=spec.generation, phase=phase, **fields)
        self.services.reported(node, [status])

    def row(self, node: str) -> Mapping[str, Any]:
        return next(row for row in self.services.listed() if row["node"] == node)

    def happened(self) -> list[tuple[str, str]]:
        return [
            (e["event"], e.get("node", "")) for e in self.events.since(0) if e["event"].startswith("service")
        ]


ETCD = Service(
    name="etcd",
    nodes=("p0s01", "p0s00"),
    command=("etcd", "{node}", "{peers}", "{data}"),
    peer="{node}=http://{address}:2380",
    env={"INDEX": "{index}"},
)


def test_each_member_is_told_its_own_words(tmp_path: Path) -> None:
    services = World(tmp_path, ETCD).services
    peers = "p0s01=http://100.64.0.2:2380,p0s00=http://100.64.0.1:2380"
    spec = services.list_for("p0s00").services[0]
    assert list(spec.command) == ["etcd", "p0s00", peers, "/data/p0s00/etcd"]
    assert dict(spec.environment) == {"INDEX": "1"}
    assert not services.list_for("london").services


def test_a_report_about_an_earlier_start_changes_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, ETCD)
    old = world.services.list_for("p0s00").services[0].generation
    before = world.services.version("p0s00"), world.services.version("p0s01")
    assert world.services.restart("etcd", ["p0s00"]) == ["p0s00"]
    assert (world.services.version("p0s00"), world.services.version("p0s01")) == (before[0] + 1, before[1])
    late = service_pb2.ServiceStatus(name="etcd", generation=old, phase=READY)
    world.services.reported("p0s00", [late])
    assert world.row("p0s00")["phase"] == "awaited"


def test_what_ran_on_a_node_that_ends_is_not_ready_any_more(tmp_path: Path) -> None:
    world = World(tmp_path, ETCD)
    world.report("p0s00", READY, ready_after_s=0.25)
    assert world.row("p0s00")["phase"] == "ready"
    node = world.book.by_name["p0s00"]
    world.book.update(node, attached=True, joined=True)
    world.book.update(node, alive=False, joined=False)
    assert world.row("p0s00")["phase"] == "awaited"


def test_every_end_is_an_event_even_when_the_phase_is_the_same_again(tmp_path: Path) -> None:
    world = World(tmp_path, ETCD)
    world.report("p0s00", READY)
    world.report("p0s00", WAITING, reason="ended with status 1", restarts=0)
    world.report("p0s00", WAITING, reason="ended with status 1", restarts=1)
    assert world.happened() == [
        ("service_ready", "p0s00"),
        ("service_ended", "p0s00"),
        ("service_ended", "p0s00"),
    ]


def test_a_removed_service_keeps_its_room_until_the_node_has_ended_it(tmp_path: Path) -> None:
    world = World(tmp_path, ETCD)
    world.report("p0s00", READY)
    stopping = service_pb2.ServiceStatus(name="etcd", phase=service_pb2.SERVICE_PHASE_STOPPING)
    world.services.remove("etcd", data=True)
    assert not world.services.list_for("p0s00").services
    world.services.reported("p0s00", [stopping])
    assert world.room.forgotten == []
    with pytest.raises(ServiceProblem, match="has not ended yet at p0s01, p0s00"):
        world.services.add({"name": "etcd", "nodes": ["p0s00"], "command": ["x"]})
    world.services.reported("p0s00", [])
    assert world.room.forgotten == [("p0s00", "etcd", True)]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"name": "etcd", "nodes": ["p0s00"], "command": ["x"]}, "there is a service called 'etcd' already"),
        ({"name": "a", "nodes": ["p9s99"], "command": ["x"]}, "p9s99: no node with a process is called so"),
        ({"name": "a", "nodes": ["p0s00"], "command": ["{nod}"]}, "command.0: unknown placeholder '{nod}'"),
        ({"name": "a", "nodes": ["p0s00"]}, "takes a command or python, found neither"),
        ({"name": "A b", "nodes": ["p0s00"], "command": ["x"], "extra": 1}, "extra"),
        ({}, "name: Field required; nodes: Field required"),
    ],
)
def test_what_cannot_be_added_says_why_and_leaves_nothing(
    tmp_path: Path, body: dict[str, Any], said: str
) -> None:
    world = World(tmp_path, ETCD)
    before = world.services.listed()
    with pytest.raises(ServiceProblem) as problem:
        world.services.add(body)
    assert said in str(problem.value)
    assert world.services.listed() == before


def test_a_service_can_be_added_that_knows_the_others(tmp_path: Path) -> None:
    world = World(tmp_path, ETCD)
    rows = world.services.add({"name": "watch", "nodes": "ground", "command": ["watch", "{first:etcd}"]})
    assert [row["node"] for row in rows] == ["london"]
    assert list(world.services.list_for("london").services[0].command)[1] == "p0s01=http://100.64.0.2:2380"


def test_an_orchestrator_that_goes_on_with_the_run_starts_nothing_anew(tmp_path: Path) -> None:
    first = World(tmp_path, ETCD)
    first.services.add({"name": "web", "nodes": ["london"], "command": ["web", "{peers:etcd}"]})
    first.services.restart("etcd", ["p0s00"])
    second = World(tmp_path, ETCD, kept=read(first.file))
    for node in ("p0s00", "p0s01", "london"):
        assert second.services.list_for(node) == first.services.list_for(node)
    second.services.restart("etcd", ["p0s01"])
    told = first.services.list_for("p0s00").services[0].generation
    assert second.services.list_for("p0s01").services[0].generation > told


def test_a_file_of_services_that_is_broken_is_as_good_as_none(tmp_path: Path) -> None:
    file = tmp_path / "services.json"
    assert read(file) is None
    for text in ("{", "[]", '{"services": [{}], "generations": []}', '{"services": []}'):
        file.write_text(text)
        assert read(file) is None


class Silent:
    """Nobody listens."""

    def send(self, message: Mapping[str, Any]) -> None: ...

    def never_wait(self) -> None: ...


async def _start(world: World) -> None:
    await every_service_ready(world.services, world.clock, Progress(Silent()), for_ever=False)


async def test_a_run_is_ready_when_all_its_services_are(tmp_path: Path) -> None:
    world = World(tmp_path, ETCD)
    starting = asyncio.ensure_future(_start(world))
    world.report("p0s00", READY)
    await asyncio.sleep(0)
    assert not starting.done()
    world.report("p0s01", service_pb2.SERVICE_PHASE_FINISHED)
    await asyncio.wait_for(starting, 60)


async def test_a_run_does_not_wait_for_what_its_nodes_have_stopped_in_safe_mode(tmp_path: Path) -> None:
    world = World(tmp_path, ETCD)
    world.report("p0s00", READY)
    world.report("p0s01", service_pb2.SERVICE_PHASE_STOPPED, reason="safe mode: battery 28 %")
    await asyncio.wait_for(_start(world), 60)
    assert settled_words(world.services.phases) == "1/2 ready, 1 stopped in safe mode"


async def test_a_run_whose_service_fails_ends_with_its_reason(tmp_path: Path) -> None:
    world = World(tmp_path, ETCD)
    world.report("p0s00", FAILED, reason="etcd: not found in PATH")
    with pytest.raises(RuntimeError, match="etcd at p0s00: etcd: not found in PATH"):
        await _start(world)


async def test_a_run_whose_service_is_never_ready_says_what_it_waited_for(tmp_path: Path) -> None:
    world = World(tmp_path, ETCD.model_copy(update={"ready_within_s": 0.01}))
    world.report("p0s01", STARTING, reason="port 2379: connection refused")
    world.report("p0s00", READY)
    await asyncio.sleep(0.02)
    with pytest.raises(RuntimeError, match=r"etcd at p0s01 is not ready after 0\.01 s: port 2379: conn"):
        await _start(world)


def test_what_the_engine_runs_is_not_changed_by_the_run(tmp_path: Path) -> None:
    world = World(tmp_path, Service(name="web", nodes=("p0s00",), image="nginx"))
    for change in (world.services.restart, world.services.remove):
        with pytest.raises(ServiceProblem, match=r"docker compose (restart|stop) p0s00\.web"):
            change("web")
    with pytest.raises(ServiceProblem, match="put it in the scenario's services"):
        world.services.add({"name": "db", "nodes": ["p0s01"], "image": "redis"})


def test_what_is_drained_ends_and_is_told_to_start_anew_only_when_nobody_keeps_it_drained(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, ETCD)
    world.report("p0s00", READY)
    before = world.services.list_for("p0s00").services[0].generation
    assert world.services.drain(["p0s00"]) == ["p0s00"]
    assert world.services.drain(["p0s00"]) == [], "twice is once"
    assert world.services.drain(["p0s00"], "fault") == []
    assert not world.services.list_for("p0s00").services
    assert world.row("p0s00")["phase"] == "stopping"
    late = service_pb2.ServiceStatus(name="etcd", generation=before, phase=READY)
    world.services.reported("p0s00", [late])
    assert world.services.ending("p0s00") == ["etcd"], "a report that was under way changes nothing"
    world.services.reported("p0s00", [])
    assert world.row("p0s00")["phase"] == "drained"
    assert world.services.ending("p0s00") == []
    assert world.services.unready() == [world.services.at("p0s01")["etcd"]], "nobody waits for it"
    with pytest.raises(ServiceProblem, match="drained; skyrack undrain p0s00"):
        world.services.restart("etcd")
    assert world.services.undrain(["p0s00"]) == []
    assert world.services.undrain(["p0s00"], "fault") == ["p0s00"]
    assert world.services.list_for("p0s00").services[0].generation > before
    assert [event for event, _ in world.happened() if "drained" in event] == ["service_drained"]


def test_a_node_stays_drained_for_an_orchestrator_that_is_started_again(tmp_path: Path) -> None:
    world = World(tmp_path, ETCD)
    world.services.drain(["p0s00"])
    again = World(tmp_path, kept=read(world.file))
    assert not again.services.list_for("p0s00").services
    assert again.row("p0s00")["phase"] == "drained"
    assert again.services.list_for("p0s01").services


def test_a_version_is_one_node_at_a_time_and_known_after_a_restart(tmp_path: Path) -> None:
    world = World(tmp_path, ETCD)
    assert world.services.version_of("etcd", {"changes": {"command": ["etcd2", "{node}"]}}) == 2
    old = world.services.list_for("p0s00").services[0].generation
    world.services.change("etcd", "p0s00", 2)
    spec = world.services.list_for("p0s00").services[0]
    assert list(spec.command) == ["etcd2", "p0s00"]
    assert spec.generation > old
    assert dict(spec.environment) == {"INDEX": "1"}
    assert world.services.list_for("p0s01").services[0].command[0] == "etcd"
    assert (world.row("p0s00")["version"], world.row("p0s00")["previous_version"]) == (2, 1)
    again = World(tmp_path, kept=read(world.file)).services
    assert again.list_for("p0s00").services[0].command[0] == "etcd2"
    assert again.version_of("etcd", {"changes": {"command": ["etcd2", "{node}"]}}) == 2, (
        "it goes on where it was"
    )
    assert again.version_of("etcd", {"changes": {"env": {"B": "2"}}}) == 3, "on top of the newest"
    again.change("etcd", "p0s01", 3)
    assert dict(again.list_for("p0s01").services[0].environment) == {"INDEX": "0", "B": "2"}
    again.change("etcd", "p0s00", 1)
    assert again.list_for("p0s00").services[0].command[0] == "etcd"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "expected the changes of a version"),
        ({"changes": {"user": "postgres"}}, "user: not part of a version"),
        ({"changes": {"command": []}}, "command: Tuple should have at least 1 item"),
        ({"changes": {"command": ["x", "{nod}"]}}, r"command\.1: .*nod"),
        ({"spec": {"name": "etcd", "nodes": ["london"], "command": ["x"]}}, "nodes: not part of a version"),
    ],
)
def test_what_is_no_version_of_a_service_is_refused(tmp_path: Path, body: dict[str, Any], said: str) -> None:
    world = World(tmp_path, ETCD)
    with pytest.raises(ServiceProblem, match=said):
        world.services.version_of("etcd", body)
    with pytest.raises(ServiceProblem, match="etcd has no version 7: it has 1 to 1"):
        world.services.change("etcd", "p0s00", 7)
