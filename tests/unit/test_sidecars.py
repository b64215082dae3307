"""What keeps containers beside nodes: which are started again, what is in their data directories; and what nodes are told."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from skyrack.node.services.beside import BesideRunner
from skyrack.orchestrator.runtime.services.prepared import ContainedRoom
from skyrack.orchestrator.runtime.services.specs import spec
from skyrack.orchestrator.runtime.sidecars.data import prepare
from skyrack.orchestrator.runtime.sidecars.due import Container, due
from skyrack.orchestrator.runtime.sidecars.engine import Engine, EngineError, read
from skyrack.orchestrator.runtime.sidecars.limits import Limiter, LimitError, limit
from skyrack.orchestrator.scenario import Limits, Ready, Service
from skyrack.orchestrator.scenario.templates import Member
from skyrack.v1 import service_pb2

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


class TwoCores(Engine):
    """An engine with two cores and one sidecar, which remembers what it is limited to."""

    def __init__(self) -> None:
        self.limits: list[float] = []

    async def cores(self) -> float:
        return 2.0

    async def sidecar(self, project: str, name: str) -> str:
        if (project, name) != ("x", "p0s05.web"):
            raise LookupError(name)
        return "7c98"

    async def limit(self, identity: str, cpu_cores: float) -> None:
        if self.limits and cpu_cores == self.limits[-1]:
            raise EngineError("no")
        self.limits.append(cpu_cores)


async def test_the_keeper_limits_what_it_is_asked_to_and_says_why_it_cannot(tmp_path: Path) -> None:
    engine, path = TwoCores(), tmp_path / "sidecars.sock"
    with pytest.raises(LimitError, match="nobody here speaks to the engine"):
        await limit(path, "p0s05.web", 0.5)
    async with Limiter(engine, "x").serve(path):
        for cores in (0.5, 0.0, None, 1.5, 5.0):
            await limit(path, "p0s05.web", cores)
        assert engine.limits == [0.5, 0.01, 2.0, 1.5, 2.0], (
            "the least of an engine; all there is for no limit"
        )
        with pytest.raises(LimitError, match=r"the engine has no container p0s05\.db"):
            await limit(path, "p0s05.db", 0.5)
        with pytest.raises(LimitError, match="the engine: no"):
            await limit(path, "p0s05.web", 2.0)
