"""`skyrack up --runtime compose`: the command of this machine, the run in containers, and services in it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from . import stand_ins
from .project import OVERRIDE, UP_S, Project, eventually

SKYRACK = Path(sys.executable).with_name("skyrack")
NAME = "test-up"
HOST, SIDECAR = "p0s05", "p0s05.web"
REBOOTED, LAUNCHED = "p0s00", "p0s01"
WATCHDOG_S = 4.0
SCENARIO = f"""\
version: 1
name: {NAME}
extends: iridium
inhabited: [{REBOOTED}, {LAUNCHED}, {HOST}]
ground: [london, tokyo]
lifecycle: {{launches: [{{name: one, satellites: [{LAUNCHED}], commissioning_s: 1}}]}}
services:
  - name: web
    nodes: [{HOST}]
    image: {stand_ins.PYTHON}
    command: [python3, -m, http.server, "8000", --bind, "{{address}}", --directory, "{{data}}"]
    files: {{index.html: "from {{node}} for $HOME"}}
    user: nobody
    ready: {{http: 8000/index.html}}
    watchdog_s: {WATCHDOG_S}
    limits: {{cpu_cores: 0.5, memory_mb: 64}}
  - name: note
    nodes: [tokyo]
    command: [sh, -c, "echo written by $SKYRACK_NODE | tee proof; exec sleep 1000"]
    ready: {{command: [test, -s, proof]}}
"""
# In a node: connects three times and says how long the shortest took, in ms, and what it got.
FETCH = f"""\
import socket, time, urllib.request
took_s = []
for _ in range(3):
    began_s = time.monotonic()
    with socket.create_connection(("{HOST}", 8000), timeout=60):
        took_s.append(time.monotonic() - began_s)
print(min(took_s) * 1e3, urllib.request.urlopen("http://{HOST}:8000/index.html", timeout=60).read().decode())
"""
# In a guest: what its node says of itself.
ASK = "import os, urllib.request as r; print(r.urlopen(os.environ['SKYRACK_API'] + '/v1/identity').read())"
# In the orchestrator's container: says as flight software what a node's services may use, and prints what is done.
ALLOW = """\
import json, sys, grpc
from skyrack.v1 import control_pb2, control_pb2_grpc
cores = json.loads(sys.argv[2])
flight = control_pb2.FlightState(mode=control_pb2.FLIGHT_MODE_THROTTLED, cpu_cores=cores)
request = control_pb2.ReportFlightRequest(name=sys.argv[1], run=sys.argv[3], flight=flight)
stub = control_pb2_grpc.ControlServiceStub(grpc.insecure_channel("unix:/run/mesh/control.sock"))
print(json.dumps(list(stub.ReportFlight(request, timeout=60).effects)))
"""
# In a container: the share of a core that it gets when it takes all there is.
BURN = """\
import time
began_s, used_s = time.monotonic(), time.process_time()
while time.monotonic() < began_s + 1.5:
    pass
print((time.process_time() - used_s) / (time.monotonic() - began_s))
"""
# Connecting takes one way there and back, and what a busy host adds.
MOST_ADDED_MS = 20.0

pytestmark = pytest.mark.timeout(1800)


@dataclass(frozen=True)
class Command:
    """The command, in a place of its own."""

    directory: Path
    environment: dict[str, str]

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [SKYRACK, *words], cwd=self.directory, env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def __call__(self, *words: str) -> str:
        """What it printed."""
        process = self.start(*words)
        out, err = process.communicate(timeout=600)
        assert process.returncode == 0, out + err
        return out


@pytest.fixture(scope="module")
def skyrack(built: Project, tmp_path_factory: pytest.TempPathFactory) -> Command:
    """The command."""
    place = tmp_path_factory.mktemp("up")
    environment = {**built.docker.environment, **built.environment, "SKYRACK_SOCKET_DIR": str(place / "s")}
    return Command(place, {**os.environ, **environment})


@pytest.fixture(scope="module")
def run(built: Project, skyrack: Command) -> Iterator[Project]:
    """A run in containers, up. The last test takes it down."""
    (skyrack.directory / "scenario.yaml").write_text(SCENARIO)
    project = replace(built, name=f"skyrack-{NAME}")
    try:
        words = ["up", "scenario.yaml", "--runtime", "compose", "--detach", "--compose-file", str(OVERRIDE)]
        assert "skyrack ping" in skyrack(*words)
        yield project
    finally:
        project.run("down", "--volumes", "--remove-orphans", timeout_s=UP_S)


def forwards(skyrack: Command, node: str) -> None:
    """Fail unless a local port leads to the node's gRPC server, with the way told and the end by Ctrl-C."""
    with skyrack.start("forward", "london", f"{node}:50051", "--port", "0") as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert f"-> london -> {node}:50051   " in line
            assert "ms there and back now: london > " in line
            port = int(line.partition(" ")[0].rpartition(":")[2])
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                health: Any = health_pb2_grpc.HealthStub
                assert health(channel).Check(health_pb2.HealthCheckRequest(), timeout=60).status == 1
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0
        finally:
            process.kill()


def services(skyrack: Command) -> dict[str, dict[str, Any]]:
    """What is told of each service, by its name: each runs at one node."""
    rows = json.loads(skyrack("service", "status", "-o", "json"))["services"]
    return {row["service"]: row for row in rows}


def inhabited(skyrack: Command) -> dict[str, dict[str, Any]]:
    """What is told of each node with a process, by its name."""
    nodes = json.loads(skyrack("status", "-o", "json"))["nodes"]
    return {node["name"]: node for node in nodes if node["inhabited"]}


def fetched(skyrack: Command) -> tuple[float, str]:
    """The time to connect, in ms, and the page, both as london finds them."""
    took, _, text = skyrack("exec", "london", "--", "python", "-c", FETCH).partition(" ")
    return float(took), text.strip()


def test_a_run_in_containers_answers_the_same_commands(run: Project, skyrack: Command) -> None:
    """A command takes a run in containers for none, or does something else there."""
    state = {name: node["state"] for name, node in inhabited(skyrack).items()}
    assert state.pop(LAUNCHED) == "not launched"
    assert list(state.values()) == ["serving"] * 4
    skyrack("launch", "one")  # takes a while; looked at below
    eventually(lambda: "4 received" in skyrack("ping", "london", "tokyo", "-i", "50ms"), "no probe is lost")
    assert " 0% packet loss" in skyrack("exec", "london", "--", "ping", "-c", "1", "tokyo")
    assert "serving" in skyrack("logs", "london")
    forwards(skyrack, HOST)


def test_services_run_in_nodes_and_beside_them(run: Project, skyrack: Command) -> None:
    """`up` does not wait for services; one in a container is not on the mesh, or does not find its files."""
    assert {name: row["phase"] for name, row in services(skyrack).items()} == {
        "web": "ready",
        "note": "ready",
    }
    assert "written by tokyo" in skyrack("logs", "tokyo", "note")

    def takes_what_is_computed() -> bool:
        """Noise of the host is one-sided."""
        took_ms, text = fetched(skyrack)
        assert text == f"from {HOST} for $HOME"
        probes = json.loads(skyrack("ping", "london", HOST, "-c", "1", "-o", "json"))["probes"]
        computed_ms: float = max(probe["computed_ms"] for probe in probes)
        assert 0.98 * computed_ms < took_ms
        return took_ms < computed_ms + MOST_ADDED_MS

    eventually(takes_what_is_computed, "a page in the time that light takes")
    assert "GET /index.html" in skyrack("logs", HOST, "web")
    sidecar = run.containers()[SIDECAR]["Id"]
    assert HOST in run.docker.out("exec", sidecar, "python3", "-c", ASK)


def allow(run: Project, cores: float | None) -> list[str]:
    """What is done when flight software allows that at HOST."""
    words = ("exec", "-T", "orchestrator", "python", "-c", ALLOW, HOST, json.dumps(cores), NAME)
    said: list[str] = json.loads(run.compose(*words))
    return said


def share(run: Project, service: str) -> float:
    """What a busy program gets in the container of a service of the project."""
    return float(run.compose("exec", "-T", "--user=1000", service, "python3", "-c", BURN))


def test_what_flight_software_allows_is_kept_to_in_a_container_and_beside_it(run: Project) -> None:
    """A busy program in a node's container, or in one beside it, gets more than its part, or no more ever after."""
    said = allow(run, 0.2)
    assert said == ["0.2 of a core for web, in a container beside it, by a quota of the engine's"]
    assert share(run, SIDECAR) < 0.25
    assert share(run, f"node-{HOST}") < 0.25
    assert "serving" in run.states()[HOST]
    assert "gets what it got before all this" in allow(run, None)[0]
    assert run.containers()[SIDECAR]["HostConfig"]["NanoCpus"] == 500_000_000, "its own limit"
    eventually(lambda: share(run, f"node-{HOST}") > 0.25, "it gets more when the host has it")


def test_a_service_in_a_container_dies_with_its_node_and_comes_back_with_it(
    run: Project, skyrack: Command
) -> None:
    """A dead satellite's service lives on, stays dead, or comes back in a network that nobody is in any more."""
    before = run.containers()
    run.docker.out("kill", before[f"node-{HOST}"]["Id"])
    eventually(lambda: run.containers()[SIDECAR]["State"]["Status"] == "exited", "dead with its node")
    assert run.containers()[SIDECAR]["State"]["ExitCode"] == 137
    eventually(lambda: services(skyrack)["web"]["phase"] == "awaited", "nobody takes it for ready")
    run.docker.out("start", before[f"node-{HOST}"]["Id"])
    eventually(lambda: services(skyrack)["web"]["phase"] == "ready", "ready again")
    assert fetched(skyrack)[1] == f"from {HOST} for $HOME"
    assert run.containers()[SIDECAR]["State"]["StartedAt"] > before[SIDECAR]["State"]["StartedAt"]


def test_what_hangs_is_ended_and_who_is_reset_or_launched_serves(run: Project, skyrack: Command) -> None:
    """A watchdog does not reach a container beside its node; a reset or a launch leaves a container waiting."""
    bites = services(skyrack)["web"]["watchdog_restarts"]
    began = run.containers()[SIDECAR]["State"]["StartedAt"]
    skyrack("fault", "add", "hang", "--node", f"{HOST}/web")
    said = skyrack("fault", "add", "sefi", "--node", REBOOTED, "--for", "1s")
    assert f"{REBOOTED}: killed 1 process: sky {REBOOTED}" in said
    assert "0x" in skyrack("fault", "add", "flip-file", "--node", "tokyo/note")

    def back() -> bool:
        now = services(skyrack)["web"]
        return bool(now["watchdog_restarts"] == bites + 1 and now["phase"] == "ready")

    eventually(back, "ended by its watchdog, and ready again")
    assert fetched(skyrack)[1] == f"from {HOST} for $HOME"
    assert run.containers()[SIDECAR]["State"]["StartedAt"] > began

    def serve() -> bool:
        nodes = inhabited(skyrack)
        return {nodes[one]["state"] for one in (REBOOTED, LAUNCHED)} == {"serving"}

    eventually(serve, "both serve")
    assert inhabited(skyrack)[REBOOTED]["restarts"] == 1


def test_a_run_in_containers_leaves_its_results_and_nothing_else(run: Project, skyrack: Command) -> None:
    """`down` leaves a container or a service's data behind, or takes the results."""
    assert any(SIDECAR in name for name in run.docker.out("volume", "ls", "--quiet").split())
    assert skyrack("down").strip() == f"{NAME} is down"
    assert run.left() == []
    assert list((skyrack.directory / "runs" / "latest").glob("events.jsonl"))
