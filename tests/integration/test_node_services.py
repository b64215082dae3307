"""Real nodes that run real programs as services, as root and as an unprivileged user, with a stand-in orchestrator."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from skyrack.v1 import service_pb2
from skyrack.v1.service_pb2 import (
    SERVICE_PHASE_FAILED,
    SERVICE_PHASE_FINISHED,
    SERVICE_PHASE_READY,
    SERVICE_PHASE_STARTING,
    SERVICE_PHASE_UNREADY,
    SERVICE_PHASE_WAITING,
    ReadinessProbe,
    ServiceSpec,
    ServiceStatus,
)

from .node_stand_ins import StandInOrchestrator, World, eventually, open_world, scrape
from .records import read_records
from .test_node_process import LAUNCHERS, alive, log_of, pid_of

pytestmark = [pytest.mark.mesh, pytest.mark.together]

# Hidden as well as a program can: sessions of their own, orphans, no variable left, argv rewritten.
HIDING = "setsid sh -c 'env -i sleep {0} & exec env -i setsid sleep {0}' & setsid -f env -i sleep {0};"


@pytest.fixture(params=LAUNCHERS)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    if os.getuid() and request.param == "root":
        pytest.skip("needs root")
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        pytest.skip("needs a writable /dev/net/tun")
    async with open_world(LAUNCHERS[request.param]) as opened:
        yield opened


def sh(name: str, script: str, *, generation: int = 1, **more: Any) -> ServiceSpec:
    return ServiceSpec(name=name, generation=generation, command=["sh", "-c", script], **more)


def status_of(orchestrator: StandInOrchestrator, service: str) -> ServiceStatus:
    """What was last said of it; empty if nothing was."""
    last = orchestrator.reports[-1].services if orchestrator.reports else []
    return next((status for status in last if status.name == service), ServiceStatus())


async def comes_to(
    orchestrator: StandInOrchestrator, service: str, phase: service_pb2.ServicePhase.ValueType
) -> ServiceStatus:
    await eventually(
        lambda: status_of(orchestrator, service).phase == phase,
        f"{service} comes to {service_pb2.ServicePhase.Name(phase)}; {orchestrator.reports[-1:]}",
    )
    return status_of(orchestrator, service)


def sleepers(seconds: int) -> list[int]:
    """Processes of the machine that sleep for that long: an own number for each test."""
    wanted = f"sleep\0{seconds}\0".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if (path / "cmdline").read_bytes() == wanted:
                found.append(int(path.name))
        except OSError:
            continue
    return found


def once_sleeping(count: int, seconds: int) -> str:
    """A script's last line: it goes on until so many processes of its node have become sleepers of that kind."""
    each = "for line in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <$line; echo; done 2>/dev/null"
    return f"until [ $({each} | grep -cx 'sleep {seconds} ') -eq {count} ]; do :; done"


async def sleeps(seconds: int) -> list[int]:
    """The one sleeper, once there is one: a service is ready before its shell has become what it is to be."""
    await eventually(lambda: len(sleepers(seconds)) == 1, f"one sleeps for {seconds} s")
    return sleepers(seconds)


async def test_each_service_is_said_to_be_what_it_has_come_to(world: World, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("#!/bin/sh\n")
    world.orchestrator.set_services(
        "n0",
        sh("runs", "exec sleep 9101"),
        sh("crashes", "echo goes on >&2; echo out of luck >&2; exit 3"),
        sh("killed", "kill -9 $$", restart=service_pb2.RESTART_POLICY_NEVER),
        sh("done", "exit 0"),
        sh("again", "exit 0", restart=service_pb2.RESTART_POLICY_ALWAYS),
        ServiceSpec(name="missing", generation=1, command=["no-such-program"]),
        ServiceSpec(name="closed", generation=1, command=[str(text)]),
        sh("homeless", "exit 0", user="no-such-user"),
        sh("daemon", f"setsid -f env -i sleep 9102; {once_sleeping(1, 9102)}"),
        sh("deaf", "exec sleep 9103", readiness=ReadinessProbe(port=7, period_s=0.1)),
    )
    await world.spawn("n0")
    said = world.orchestrator
    assert (await comes_to(said, "runs", SERVICE_PHASE_READY)).pid > 1
    assert status_of(said, "runs").ready_after_s > 0
    crashed = await comes_to(said, "crashes", SERVICE_PHASE_WAITING)
    assert (crashed.exit_status, crashed.reason) == (3, "ended with status 3: out of luck")
    killed = await comes_to(said, "killed", SERVICE_PHASE_FAILED)
    assert (killed.exit_signal, killed.HasField("exit_status")) == (9, False)
    assert killed.reason == "killed by signal 9 (SIGKILL)"
    assert (await comes_to(said, "done", SERVICE_PHASE_FINISHED)).restarts == 0
    missing = await comes_to(said, "missing", SERVICE_PHASE_FAILED)
    assert missing.reason.startswith("no-such-program: not found in PATH (")
    closed = await comes_to(said, "closed", SERVICE_PHASE_FAILED)
    assert closed.reason == f"{text}: permission denied, it is not executable"
    assert (await comes_to(said, "homeless", SERVICE_PHASE_FAILED)).reason == "no user no-such-user here"
    daemon = await comes_to(said, "daemon", SERVICE_PHASE_FAILED)
    assert daemon.reason.startswith("its first process ended with status 0 and left 1 behind: sleep (pid ")
    assert "run it in the foreground" in daemon.reason
    await eventually(lambda: status_of(said, "deaf").reason == "port 7: Connection refused", "it is asked")
    assert status_of(said, "deaf").phase == SERVICE_PHASE_STARTING
    assert sleepers(9102) == [], "what it left is still there"
    await eventually(lambda: status_of(said, "crashes").restarts >= 1, "it is started again")
    await eventually(lambda: status_of(said, "again").restarts >= 1, "it is started again")
    assert [status.name for status in said.reports[-1].services] == [
        spec.name for spec in said.services["n0"].services
    ]


async def test_what_the_orchestrator_wants_is_what_runs(world: World) -> None:
    said = world.orchestrator
    await world.spawn("n0")
    assert said.reports == [], "a node without services has nothing to report"
    kept, renewed = sh("kept", "exec sleep 9201"), sh("renewed", "exec sleep 9202")
    hides = sh("hides", HIDING.format(9203) + "exec sleep 9203")
    said.set_services("n0", kept, renewed, hides)
    for name in ("kept", "renewed", "hides"):
        await comes_to(said, name, SERVICE_PHASE_READY)
    await eventually(lambda: len(sleepers(9203)) == 4, "all of it hides")
    before = status_of(said, "kept").pid, await sleeps(9201), await sleeps(9202)
    renewed.generation = 2
    said.set_services("n0", renewed, kept)
    await eventually(
        lambda: [status.name for status in said.reports[-1].services] == ["renewed", "kept"],
        "one is gone, and their order is the list's",
    )
    assert sleepers(9203) == [], "something of it is left"
    await eventually(lambda: status_of(said, "renewed").generation == 2, "it is another one")
    await comes_to(said, "renewed", SERVICE_PHASE_READY)
    assert (status_of(said, "kept").pid, sleepers(9201)) == before[:2]
    assert await sleeps(9202) != before[2]
    said.set_services("n0")
    await eventually(lambda: len(said.reports[-1].services) == 0, "all are gone")
    assert sleepers(9201) + sleepers(9202) == []


async def test_services_go_on_without_the_orchestrator_and_the_next_one_is_told(world: World) -> None:
    said = world.orchestrator
    said.set_services("n0", sh("runs", "exec sleep 9301"))
    await world.spawn("n0")
    pid = (await comes_to(said, "runs", SERVICE_PHASE_READY)).pid
    before = await sleeps(9301)
    await said.stop()
    said.reports.clear()
    await said.start()
    assert (await comes_to(said, "runs", SERVICE_PHASE_READY)).pid == pid
    assert sleepers(9301) == before


async def test_a_service_finds_its_place(world: World, tmp_path: Path) -> None:
    data, log_file = tmp_path / "data", tmp_path / "log.jsonl"
    data.mkdir()
    (data / "old").write_text("as it was")
    world.orchestrator.set_services(
        "n0",
        sh(
            "shows",
            "pwd; cat old new; stat -c %a new; cat /proc/self/sched >/dev/null; env | sort; exec sleep 9401",
            data_dir=str(data),
            log_file=str(log_file),
            files={"old": "not this", "new": "text\n"},
            environment={"KEY": "value", "SKYRACK_SPEED": "mine"},
        ),
    )
    await world.spawn("n0")
    await comes_to(world.orchestrator, "shows", SERVICE_PHASE_READY)
    last = "SKYRACK_START=2026-01-01T00:00:00Z"  # of the words below, as sort has them
    await eventually(
        lambda: any(record["msg"] == last for record in read_records(log_file)), "it has said all"
    )
    records = read_records(log_file)
    assert {(record["node"], record["service"], record["stream"]) for record in records} == {
        ("n0", "shows", "stdout")
    }
    said = [record["msg"] for record in records]
    assert said[:3] == [str(data), "as it wastext", "600"]
    assert {
        "HOME=" + str(data),
        "KEY=value",
        "SKYRACK_ADDRESS=100.64.0.1",
        "SKYRACK_API=http://skyrack.internal:50080",
        "SKYRACK_DATA=" + str(data),
        "SKYRACK_GRPC=skyrack.internal:50051",
        "SKYRACK_INDEX=0",
        "SKYRACK_KIND=satellite",
        "SKYRACK_NODE=n0",
        "SKYRACK_RUN=test",
        "SKYRACK_SERVICE=shows",
        "SKYRACK_SPEED=mine",
        "SKYRACK_START=2026-01-01T00:00:00Z",
    } <= set(said)


async def test_a_service_runs_as_somebody_who_is_not_root(world: World) -> None:
    world.orchestrator.set_services(
        "n0",
        sh("drops", "id -un; id -u; touch mine; stat -c %U . mine; exec sleep 9501", user="nobody"),
    )
    await world.spawn("n0")
    await comes_to(world.orchestrator, "drops", SERVICE_PHASE_READY)

    def said() -> list[str]:
        records = read_records(world.socket_dir / "n0.jsonl")
        return [record["msg"] for record in records if record.get("service") == "drops"]

    await eventually(lambda: len(said()) >= 4, "it has said all")
    assert said() == ["nobody", "65534", "nobody", "nobody"]
    await sleeps(9501)
    world.orchestrator.set_services("n0")
    await eventually(lambda: len(world.orchestrator.reports[-1].services) == 0, "the node may end it")
    assert sleepers(9501) == []


async def test_probes_ask_what_they_are_said_to(world: World) -> None:
    serve = [sys.executable, "-m", "http.server", "--bind"]
    grpc_server = (
        "import grpc, time; from concurrent import futures; from grpc_health.v1 import health, health_pb2_grpc\n"
        "server = grpc.server(futures.ThreadPoolExecutor(2)); servicer = health.HealthServicer()\n"
        "health_pb2_grpc.add_HealthServicer_to_server(servicer, server)\n"
        "server.add_insecure_port('127.0.0.1:8004'); server.start(); server.wait_for_termination()"
    )
    every: dict[str, Any] = {"period_s": 0.1, "timeout_s": 60.0}
    world.orchestrator.set_services(
        "n0",
        ServiceSpec(
            name="http", generation=1, command=[*serve, "127.0.0.1", "8001"],
            readiness=ReadinessProbe(http="8001/", **every),
        ),
        ServiceSpec(
            name="found", generation=1, command=[*serve, "100.64.0.1", "8002"],
            readiness=ReadinessProbe(http="8002/nothing", **every),
        ),
        sh(
            "command", "touch here; exec sleep 9601",
            readiness=ReadinessProbe(command=["sh", "-c", "echo not yet; test -e here"], **every),
        ),
        ServiceSpec(
            name="grpc", generation=1, command=[sys.executable, "-c", grpc_server],
            readiness=ReadinessProbe(grpc_port=8004, **every),
        ),
    )  # fmt: skip
    await world.spawn("n0")
    said = world.orchestrator
    for name in ("http", "command", "grpc"):
        await comes_to(said, name, SERVICE_PHASE_READY)
    await eventually(
        lambda: status_of(said, "found").reason == "http 8002/nothing: status 404", "404 is not ready"
    )
    data = Path(f"/proc/{(await sleeps(9601))[0]}/cwd")
    (data / "here").unlink()
    unready = await comes_to(said, "command", SERVICE_PHASE_UNREADY)
    assert unready.reason == "probe ended with status 1: not yet"
    (data / "here").touch()
    await comes_to(said, "command", SERVICE_PHASE_READY)
    metrics = await scrape(world.socket_dir, "n0")
    assert metrics['skyrack_service_up{node="n0",service="found"}'] == 1
    assert metrics['skyrack_service_ready{node="n0",service="found"}'] == 0
    assert metrics['skyrack_service_ready{node="n0",service="http"}'] == 1
    assert metrics['skyrack_service_restarts_total{node="n0",service="http"}'] == 0
    assert metrics['skyrack_service_cpu_seconds_total{node="n0",service="grpc"}'] > 0
    assert metrics['skyrack_service_resident_bytes{node="n0",service="grpc"}'] > 1e6


async def test_output_is_whole_and_a_flood_or_a_full_disk_stops_nobody(world: World, tmp_path: Path) -> None:
    log_file = tmp_path / "log.jsonl"
    world.orchestrator.set_services(
        "n0",
        sh("says", r"printf 'a\nb\r\n\377\nlast'; head -c 40000 /dev/zero | tr '\0' x >&2", log_file=str(log_file)),
        sh("floods", "exec yes", log_file="/dev/null"),
        sh("loses", "echo 1; echo 2; echo 3; exec sleep 9701", log_file="/dev/full"),
    )  # fmt: skip
    await world.spawn("n0")
    said = world.orchestrator
    await comes_to(said, "says", SERVICE_PHASE_FINISHED)
    records = read_records(log_file)
    assert [record["msg"] for record in records if record["stream"] == "stdout"] == ["a", "b", "�", "last"]
    assert [len(record["msg"]) for record in records if record["stream"] == "stderr"] == [16384, 16384, 7232]
    await comes_to(said, "floods", SERVICE_PHASE_READY)
    await comes_to(said, "loses", SERVICE_PHASE_READY)
    while (await scrape(world.socket_dir, "n0"))['skyrack_node_log_errors_total{node="n0"}'] < 3:
        pass
    said.set_services("n0")
    await eventually(lambda: len(said.reports[-1].services) == 0, "a flood can be ended")


async def test_who_does_not_want_to_end_is_ended(world: World) -> None:
    said = world.orchestrator
    stubborn = "trap '' TERM; " + HIDING.format(9801) + "while :; do sleep 9801; done"
    said.set_services(
        "n0", sh("stubborn", stubborn, stop_timeout_s=1.0), sh("kept", stubborn, stop_timeout_s=60)
    )
    await world.spawn("n0")
    await comes_to(said, "stubborn", SERVICE_PHASE_READY)
    await eventually(lambda: len(sleepers(9801)) == 8, "all of them hide")
    said.set_services("n0", said.services["n0"].services[1])
    await eventually(lambda: len(said.reports[-1].services) == 1, "it is ended")
    # A report may be too late for the second in which it was stopping; the node's own log has every phase.
    phases = [
        line["msg"] for line in log_of(world, "n0") if line.get("fields", {}).get("service") == "stubborn"
    ]
    assert phases[-1] == "service stopping", "it was ended without being asked"
    assert len(sleepers(9801)) == 4
    world.zygote.send(op="signal", name="n0", signal=15)
    await eventually(lambda: bool(world.zygote.find("exited", "n0")), "the node ends")
    assert world.zygote.find("exited", "n0")[0]["status"] == {"code": 0}, (
        "it was not allowed to end by itself"
    )
    assert sleepers(9801) == []


async def test_a_killed_node_leaves_nothing(world: World, tmp_path: Path) -> None:
    world.orchestrator.set_services(
        "n0", sh("hides", HIDING.format(9901) + "exec sleep 9901", data_dir=str(tmp_path))
    )
    await world.spawn("n0")
    await eventually(lambda: len(sleepers(9901)) == 4, "all of it hides")
    pid = pid_of(world, "n0")
    os.kill(pid, signal.SIGKILL)
    await eventually(lambda: not alive(pid), "the node is gone")
    assert sleepers(9901) == []
