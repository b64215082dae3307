"""A run whose orchestrator, fabric and nodes are started by somebody else, in any order and again and again."""

import contextlib
import signal
import socket
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from skyrack.orchestrator.runtime import paths
from skyrack.v1 import namespaces

from .contained_run import NAME, NODES, PATIENCE_S, Parts, eventually
from .mesh_world import socket_in
from .ports import free_port
from .records import read_records

TRY_S = 10.0  # of a connection, of which the kernel waits ever longer before it sends again what was lost

pytestmark = [pytest.mark.mesh, pytest.mark.together]


def events(parts: Parts, run_dir: str) -> list[dict[str, Any]]:
    return read_records(Path(run_dir, "events.jsonl"))


def health(parts: Parts, service: str) -> int:
    untyped: Any = health_pb2_grpc.HealthStub
    with grpc.insecure_channel(f"unix:{parts.mesh / 'control.sock'}") as channel:
        request = health_pb2.HealthCheckRequest(service=service)
        return int(untyped(channel).Check(request, timeout=PATIENCE_S, wait_for_ready=True).status)


def connection(parts: Parts, src: str, dst: str, address: str) -> tuple[socket.socket, socket.socket]:
    """TCP through the mesh: (client at src, server at dst)."""

    def made(name: str) -> socket.socket:
        pid = namespaces.pid_of_socket(parts.mesh / "nodes" / f"{name}.sock")
        return socket_in(pid, socket.AF_INET, socket.SOCK_STREAM, 0)

    with made(dst) as listener:
        listener.bind((address, 0))
        listener.listen()
        listener.settimeout(TRY_S)
        found: list[tuple[socket.socket, socket.socket]] = []

        def met() -> bool:
            client = made(src)
            with contextlib.ExitStack() as unless_met:
                unless_met.enter_context(client)
                client.settimeout(TRY_S)
                try:
                    client.connect(listener.getsockname())
                    server, peer = listener.accept()
                    while peer != client.getsockname():  # one that was given up
                        server.close()
                        server, peer = listener.accept()
                except OSError:
                    return False
                unless_met.pop_all()
            for end in (client, server):
                end.settimeout(PATIENCE_S)
            found.append((client, server))
            return True

        # Routes, and the fabric, hear a moment later than the run that a node has come late; until then packets are lost.
        eventually(met, "a route both ways", parts.logs)
        return found[0]


def exchange(client: socket.socket, server: socket.socket) -> None:
    client.sendall(b"request")
    assert server.recv(100) == b"request"
    server.sendall(b"answer")
    assert client.recv(100) == b"answer"


def ping(parts: Parts) -> str:
    """What is said of three pings; some may be lost until a route is there, or when it moves."""
    return parts.run("ping", "london", "tokyo", "-c", "3").stdout


def test_parts_that_come_in_the_worst_order_become_a_run_the_command_line_finds(parts: Parts) -> None:
    parts.start("london")
    parts.start("fabric")
    parts.start("orchestrator")
    eventually(lambda: parts.node("london")["state"] == "serving", "the first serves", parts.logs)
    assert parts.status()["state"] == "starting"
    assert health(parts, "") == health_pb2.HealthCheckResponse.SERVING
    assert health(parts, "run") == health_pb2.HealthCheckResponse.NOT_SERVING
    parts.start("tokyo")
    parts.start("p0s00")
    status = parts.await_all()
    assert health(parts, "run") == health_pb2.HealthCheckResponse.SERVING
    assert status["mesh_dir"] == str(parts.mesh)
    assert status["socket_dir"] == str(parts.directory / "run" / NAME)
    assert "serving" in parts.skyrack("status")
    eventually(lambda: "3 sent, 3 received" in ping(parts), "pings are answered", parts.logs)
    assert parts.end("orchestrator", signal.SIGTERM) == 0
    assert f"every node of {NAME} serves" in parts.log("orchestrator").read_text()


def test_an_orchestrator_that_comes_back_goes_on_with_the_run_and_connections_survive(parts: Parts) -> None:
    for name in ("orchestrator", "fabric", *NODES):
        parts.start(name)
    before = parts.await_all()
    address = parts.node("tokyo")["address"]
    client, server = connection(parts, "london", "tokyo", address)
    with client, server:
        exchange(client, server)
        for change in (
            {"action": "jump", "by_s": 3600},
            {"action": "speed", "speed": 10},
            {"action": "pause"},
        ):
            clock = parts.api.post("/v1/clock", change)["clock"]
        exchange(client, server)
        for number in (signal.SIGKILL, signal.SIGTERM):
            parts.end("orchestrator", number)
            parts.start("orchestrator")
            after = parts.await_all()
            exchange(client, server)
            for key in ("run", "run_dir", "t0_monotonic_ns"):
                assert after[key] == before[key]
            assert parts.api.get("/v1/clock") | {"run_s": clock["run_s"]} == clock, "it stands where it stood"
            assert after["run_s"] > before["run_s"]
            assert [node["restarts"] for node in after["nodes"]] == [0] * len(after["nodes"])
    written = events(parts, before["run_dir"])
    assert [event["seq"] for event in written] == list(range(1, len(written) + 1))
    assert [event["event"] for event in written].count("orchestrator_restarted") == 2
    assert parts.api.post("/v1/clock", {"action": "resume"})["changed"]["after"]["speed"] == 10.0
    eventually(lambda: "3 sent, 3 received" in ping(parts), "pings are answered", parts.logs)
    assert parts.api.get("/v1/events?since=0")["events"][0] == written[0]


def test_the_token_is_the_runs_and_not_the_processs(parts: Parts) -> None:
    parts.port = free_port()
    token = parts.directory / "run" / NAME / "token"
    tokens = set()
    for number in (signal.SIGKILL, signal.SIGTERM):
        parts.start("orchestrator")
        eventually(lambda: parts.status()["state"] == "starting", "it answers", parts.logs)
        tokens.add(token.read_text())
        parts.end("orchestrator", number)
    assert len(tokens) == 1
    parts.start("orchestrator")
    eventually(lambda: parts.status()["state"] == "starting", "it answers", parts.logs)
    assert token.read_text() in tokens
    parts.api.post("/v1/down", {})
    assert parts.ended("orchestrator") == 0
    assert list((parts.directory / "fabric").glob("*.token")) == [], "the token would outlive its run"


def test_a_fabric_that_is_killed_gets_every_node_back_without_a_restart(parts: Parts) -> None:
    for name in ("orchestrator", "fabric", *NODES):
        parts.start(name)
    before = parts.await_all()
    client, server = connection(parts, "tokyo", "london", parts.node("london")["address"])
    with client, server:
        exchange(client, server)
        parts.end("fabric")
        eventually(lambda: parts.status()["fabric"]["scheduler"] == "", "noticed")
        assert parts.node("tokyo")["state"] == "starting"
        parts.start("fabric")
        parts.await_all()
        exchange(client, server)
    assert parts.node("tokyo")["restarts"] == 0
    told = [event["event"] for event in events(parts, before["run_dir"])]
    assert told.index("fabric_down") < told.index("fabric_up")
    assert "node_exited" not in told


def test_a_node_that_is_killed_on_request_counts_as_restarted_when_it_is_back(parts: Parts) -> None:
    for name in ("orchestrator", "fabric", *NODES):
        parts.start(name)
    before = parts.await_all()
    parts.api.post("/v1/nodes/tokyo/kill", {"signal": 9})
    assert parts.ended("tokyo") == 128 + 9
    eventually(lambda: parts.node("tokyo")["state"] == "dark", "dark")
    parts.start("tokyo")
    parts.await_all()
    assert parts.node("tokyo")["restarts"] == 1
    told = [event["event"] for event in events(parts, before["run_dir"]) if event.get("node") == "tokyo"]
    ended = told.index("node_exited")
    assert told.index("node_signalled") < ended
    assert "node_serving" in told[ended:]


def test_another_scenario_is_another_run_and_nodes_learn_it_by_starting_again(parts: Parts) -> None:
    for name in ("orchestrator", "fabric", *NODES):
        parts.start(name)
    before = parts.await_all()
    assert parts.end("orchestrator", signal.SIGTERM) == 0
    parts.scenario.write_text(parts.scenario.read_text() + "mtu: 9000\n")
    parts.start("orchestrator")
    for name in NODES:
        assert parts.ended(name) == 75
        parts.start(name)
    after = parts.await_all()
    assert after["run_dir"] != before["run_dir"]
    assert after["t0_monotonic_ns"] > before["t0_monotonic_ns"]
    assert after["mtu"] == 9000
    assert events(parts, after["run_dir"])[0]["seq"] == 1
    parts.api.post("/v1/down", {})
    assert parts.ended("orchestrator") == 0
    assert list((parts.directory / "fabric").glob("*.json")) == [], "a run that is over would be gone on with"


def test_a_scenario_that_cannot_be_used_is_said_with_status_2(parts: Parts) -> None:
    parts.scenario.write_text("version: 1\nname: bad\nshels: []\n")
    parts.start("orchestrator")
    assert parts.ended("orchestrator") == 2
    said = parts.log("orchestrator").read_text()
    assert "scenario.yaml:3:1: error: unknown key 'shels'" in said
    assert "Traceback" not in said
    assert list((parts.directory / "runs").iterdir()) == []
    assert not (parts.directory / "run" / NAME).exists()


def test_a_second_orchestrator_of_the_same_run_is_refused(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKYRACK_SOCKET_DIR", str(parts.directory / "run"))
    _, lock = paths.claim(NAME)
    parts.start("orchestrator")
    assert parts.ended("orchestrator") == 1
    assert f"another orchestrator has a run called {NAME} up" in parts.log("orchestrator").read_text()
    paths.release(NAME, lock)
