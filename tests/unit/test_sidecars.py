"""What keeps containers beside nodes: which are started again, what is in their data directories; and what nodes are told."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from skyrack.node.services.beside import BesideRunner
from skyrack.orchestrator.clock import RealClock
from skyrack.orchestrator.runtime.services.prepared import ContainedRoom
from skyrack.orchestrator.runtime.services.specs import spec
from skyrack.orchestrator.runtime.sidecars.data import prepare
from skyrack.orchestrator.runtime.sidecars.due import Container, due
from skyrack.orchestrator.runtime.sidecars.engine import Engine, EngineError, read
from skyrack.orchestrator.runtime.sidecars.following import ENDED, KILLED, RUNS, Wanted, orders
from skyrack.orchestrator.runtime.sidecars.keeper import Keeper
from skyrack.orchestrator.runtime.sidecars.listening import listens
from skyrack.orchestrator.runtime.sidecars.orders import OrderError, Orders, order
from skyrack.orchestrator.scenario import Limits, Ready, Service
from skyrack.orchestrator.scenario.templates import Member
from skyrack.v1 import service_pb2
from skyrack.v1.node_init import init_socket

T0 = datetime(2026, 3, 20, 12, tzinfo=UTC)
NODE = Container("n", "node-a", "", "", "running", T0 + timedelta(seconds=2), T0 + timedelta(seconds=1))
SIDECAR = Container("s", "a.web", "a", "n", "exited", T0, T0 + timedelta(seconds=1))


def test_a_sidecar_is_due_once_its_node_runs_again() -> None:
    assert due(SIDECAR, NODE)
    assert not due(SIDECAR, replace(NODE, state="exited"))
    assert not due(SIDECAR, replace(NODE, state="restarting"))
    assert not due(SIDECAR, None)


def test_what_runs_or_the_engine_starts_itself_or_somebody_stopped_is_left_alone() -> None:
    for state in ("running", "restarting", "created", "paused", "removing"):
        assert not due(replace(SIDECAR, state=state), NODE)
    stopped_while_its_node_runs = replace(SIDECAR, finished=NODE.started + timedelta(seconds=5))
    assert not due(stopped_while_its_node_runs, NODE)


def answer(started: str, finished: str, **changes: Any) -> dict[str, Any]:
    """As the engine (20.10) says it."""
    return {
        "Id": "7c98",
        "Name": "/skyrack-x-p0s05.web-1",
        "State": {"Status": "exited", "StartedAt": started, "FinishedAt": finished},
        "Config": {"Labels": {"skyrack.node": "p0s05"}},
        "HostConfig": {"NetworkMode": "container:aa01"},
    } | changes


def test_instants_of_the_engine_are_compared_as_instants() -> None:
    """Its nanoseconds have no trailing zeros: as texts, 6.2 is after 6.25."""
    earlier = read(answer("2026-11-29T12:40:05.8Z", "2026-11-29T12:40:06.2Z"))
    later = read(answer("2026-11-29T12:40:06.250142001Z", "0001-01-01T00:00:00Z"))
    assert earlier.finished < later.started
    assert (later.beside, later.node, later.name) == ("aa01", "p0s05", "skyrack-x-p0s05.web-1")
    bare = read(answer("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z", HostConfig={"NetworkMode": "none"}))
    assert bare.beside == ""


def test_files_are_written_for_everybody_where_none_is(tmp_path: Path) -> None:
    data, files = tmp_path / "data", tmp_path / "files"
    for directory in (data / "a.web", data / "b.web", files / "a.web"):
        directory.mkdir(parents=True, mode=0o700)
    (files / "a.web" / "x.conf").write_text("new")
    (files / "a.web" / "y.conf").write_text("new")
    (data / "a.web" / "x.conf").write_text("rewritten by its service")
    prepare(data, files)
    assert (data / "a.web" / "x.conf").read_text() == "rewritten by its service"
    assert (data / "a.web" / "y.conf").read_text() == "new"
    assert (data / "a.web" / "y.conf").stat().st_mode & 0o777 == 0o666
    assert [(data / name).stat().st_mode & 0o777 for name in ("a.web", "b.web")] == [0o777, 0o777]
    prepare(data, tmp_path / "none")


def told(service: Service) -> tuple[service_pb2.ServiceSpec, list[str]]:
    """What a node in a container is told of it, and the notes."""
    room, group = ContainedRoom().prepare("a", service)
    member = Member("a", "100.64.0.1", 0, "a")
    return spec(service, member, {service.name: (member,)}, room, run="r", generation=3), group.notes


def test_a_node_only_probes_what_runs_beside_it() -> None:
    service = Service(
        name="web", nodes="all", image="nginx", command=("nginx",), env={"A": "1"}, files={"f": "x"},
        user="nobody", ready=Ready(port=80), limits=Limits(memory_mb=64),
    )  # fmt: skip
    message, notes = told(service)
    assert (message.name, message.generation, message.readiness.port) == ("web", 3, 80)
    assert {field.name for field, _ in message.ListFields()} == {
        "name", "generation", "readiness", "restart", "stop_timeout_s",
    }  # fmt: skip
    assert notes == []
    assert "counts as ready" in json.dumps(told(service.model_copy(update={"ready": None}))[1])


def test_a_command_runs_in_the_node_and_its_limits_are_not_held() -> None:
    service = Service(name="web", nodes="all", command=("nginx",), limits=Limits(memory_mb=64))
    message, notes = told(service)
    assert list(message.command) == ["nginx"]
    assert ["no memory limit" in note for note in notes] == [True]


async def test_what_runs_beside_a_node_ends_when_it_is_told_to() -> None:
    runner = BesideRunner()
    await runner.start()
    waiting = asyncio.ensure_future(runner.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    runner.terminate()
    assert (await waiting).status == 0
    await runner.kill()


class OneSidecar(Engine):
    """An engine with two cores and one sidecar, which remembers what is done to that."""

    def __init__(self) -> None:
        self.one = replace(SIDECAR, service="p0s05.web", state="running", restart="on-failure")
        self.done: list[str] = []
        self.survives: tuple[str, ...] = ("SIGSTOP", "SIGCONT")

    async def cores(self) -> float:
        return 2.0

    async def sidecar(self, project: str, name: str) -> Container:
        if (project, name) != ("x", self.one.service):
            raise LookupError(name)
        return self.one

    async def container(self, identity: str) -> Container | None:
        return self.one

    async def limit(self, identity: str, cpu_cores: float) -> None:
        if (did := f"limit {cpu_cores:g}") in self.done[-1:]:
            raise EngineError("no")
        self.done.append(did)

    async def stop(self, identity: str) -> None:
        self.done.append("stop")
        self.one = replace(self.one, state="exited", status=0)

    async def signal(self, identity: str, name: str) -> None:
        self.done.append(name)
        if name not in self.survives:
            self.one = replace(self.one, state="exited", status=139)

    async def start(self, container: Container) -> None:
        self.done.append("start")
        self.one = replace(self.one, state="running", started=self.one.started + timedelta(minutes=1))


class World:
    """A keeper of that sidecar, at a node whose init listens."""

    def __init__(self, directory: Path) -> None:
        self.engine = OneSidecar()
        self.path = directory / "sidecars.sock"
        self.data = directory / "data" / "p0s05.web"
        self.data.mkdir(parents=True)
        self.keeper = Keeper(self.engine, "x", directory, RealClock(), print, self.prepared)
        self.orders = Orders(self.engine, "x", self.keeper, directory / "data", RealClock())
        (directory / "nodes").mkdir()
        self.init = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.init.bind(str(init_socket(directory, SIDECAR.node)))
        self.init.listen()

    def prepared(self, name: str) -> None:
        (self.data.parent / name / "again").write_text("for another start")

    async def does(self, do: str, **values: Any) -> list[str]:
        """What is said of an order."""
        return await order(self.path, "p0s05.web", do, **values)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    with made.init:
        yield made


async def test_the_keeper_limits_what_it_is_asked_to_and_says_why_it_cannot(world: World) -> None:
    with pytest.raises(OrderError, match="nobody here speaks to the engine"):
        await world.does("limit", cpu_cores=0.5)
    assert not listens(world.path, socket.SOCK_STREAM)
    async with world.orders.serve(world.path):
        assert listens(world.path, socket.SOCK_STREAM)
        for cores in (0.5, 0.0, None, 1.5, 5.0):
            await world.does("limit", cpu_cores=cores)
        assert world.engine.done == [f"limit {cores:g}" for cores in (0.5, 0.01, 2, 1.5, 2)], (
            "the least of an engine; all there is for no limit"
        )
        with pytest.raises(OrderError, match=r"the engine: no"):
            await world.does("limit", cpu_cores=2.0)
        with pytest.raises(OrderError, match=r"the engine has no container p0s05\.db"):
            await order(world.path, "p0s05.db", "limit", cpu_cores=0.5)
        for do in ("limit", "fly"):
            with pytest.raises(OrderError, match="no such request"):
                await world.does(do)


async def test_what_was_stopped_is_started_by_nothing_but_an_order(world: World) -> None:
    """Who is stopped for safe mode comes back with its node."""
    async with world.orders.serve(world.path):
        assert await world.does("stop") == ["stopped"]
        node_is_back = replace(NODE, started=world.engine.one.finished + timedelta(seconds=9))
        assert due(world.engine.one, node_is_back)
        await world.keeper.started(world.engine.one)
        assert world.engine.done == ["stop"]
        assert await world.does("start") == ["started"]
        assert world.engine.done == ["stop", "start"]
        assert (world.data / "again").exists(), "its files are there again"
        world.init.close()
        await world.does("kill")
        assert await world.does("start") == ["starts with its node"]


async def test_who_dies_of_a_signal_is_started_again_as_its_policy_says(world: World) -> None:
    """An engine gives up who was sent a signal through it."""
    async with world.orders.serve(world.path):
        assert await world.does("hang") == ["stopped its first process"]
        assert await world.does("go-on") == ["it goes on"]
        assert await world.does("go-on") == ["nothing hangs any more"]
        assert await world.does("signal", signal="SIGSEGV") == ["its first process died of SIGSEGV"]
        with pytest.raises(OrderError, match="it does not run at the moment"):
            await world.does("hang")
        ended = replace(world.engine.one, finished=NODE.started + timedelta(seconds=5))
        assert not due(ended, NODE)
        assert due(ended, NODE, signalled=True)
        assert not due(replace(ended, restart="no"), NODE, signalled=True)
        world.engine.survives = ("SIGSEGV", "SIGSTOP")
        await world.does("start")
        assert await world.does("signal", signal="SIGSEGV") == ["its first process got SIGSEGV and goes on"]
        await world.does("hang")
        world.engine.one = replace(world.engine.one, started=T0 + timedelta(hours=1))
        assert await world.does("go-on") == ["it has ended meanwhile"]


async def test_data_of_a_sidecar_are_flipped_and_erased(world: World) -> None:
    (world.data / "deep").mkdir()
    (world.data / "deep" / "log").write_bytes(bytes(100))
    async with world.orders.serve(world.path):
        (said,) = await world.does("flip", draw="7")
        assert "0x00 is 0x" in said
        assert sum((world.data / "deep" / "log").read_bytes()).bit_count() == 1
        assert await world.does("erase") == ["removed the data of web: 1 file, 100 bytes"]
        assert list(world.data.iterdir()) == []
        with pytest.raises(OrderError, match="no file with anything in it"):
            await world.does("flip", draw="7")


ON = Wanted(RUNS, 0)


@pytest.mark.parametrize(
    ("before", "now", "done"),
    [
        (ON, ON, ()),
        (ON, replace(ON, bites=1), ("kill", "start")),
        (ON, replace(ON, state=ENDED), ("stop",)),
        (replace(ON, state=KILLED), replace(ON, state=ENDED), ()),
        (replace(ON, state=KILLED), replace(ON, bites=1), ("start",)),
        (None, ON, ("start",)),
        (None, replace(ON, state=ENDED), ("stop",)),
    ],
)
def test_a_container_is_ended_and_started_once_for_each_reason(
    before: Wanted | None, now: Wanted, done: tuple[str, ...]
) -> None:
    """Its watchdog's bite is missed between two reports, or kills twice; an orchestrator before this one is forgotten."""
    assert orders(before, now) == done
