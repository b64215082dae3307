"""kill -9 of every part of a run: what the user sees, what goes on, and that the next start works."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from .place import PATIENCE_S, Foreground, Place, all_processes, eventually

pytestmark = [pytest.mark.mesh, pytest.mark.together]

# One TCP connection, which must not break.
SERVER = """
import socket
listener = socket.create_server(('0.0.0.0', 7000))
print('up', flush=True)
c, _ = listener.accept()
while data := c.recv(100):
    c.sendall(data)
"""
CLIENT = """
import socket, sys
c = socket.create_connection(('tokyo', 7000))
for line in sys.stdin:
    c.sendall(line.encode())
    print(c.recv(100).decode().strip(), flush=True)
"""


def limited(setting: str, most: int) -> list[str]:
    """A command prefix: in a user namespace in which only so many namespaces of a kind may be made."""
    return [
        "unshare",
        "--user",
        "--map-root-user",
        "sh",
        "-c",
        f'echo {most} >/proc/sys/user/{setting}; exec "$@"',
        "sh",
    ]


@pytest.fixture
def watched(place: Place) -> tuple[Place, Foreground]:
    """A run in the foreground that serves."""
    run = place.foreground("up", place.scenario)
    run.says("Ctrl-C stops it")
    return place, run


def test_a_killed_node_comes_back_and_the_user_sees_it(either: Place) -> None:
    run = either.foreground("up", either.scenario)
    run.says("Ctrl-C stops it")
    before = either.node("tokyo")
    mark = either.mark()
    either.kill("tokyo")
    run.says("tokyo ended: killed by SIGKILL")
    run.says("tokyo serves again (restart 1)")
    after = either.node("tokyo")
    assert after["restarts"] == before["restarts"] + 1
    assert after["pid"] != before["pid"]
    either.ping("london", "tokyo")
    names = {e["event"] for e in either.events() if e["seq"] > mark and e.get("node") == "tokyo"}
    assert names == {"node_dark", "node_exited", "node_lit", "node_serving"}
    run.process.send_signal(signal.SIGINT)
    run.ends(130)
    either.is_clean()


def test_a_killed_node_stays_dark_when_restarts_are_off(place: Place) -> None:
    place.scenario.write_text(place.scenario.read_text() + "nodes: {restart: never}\n")
    place.up()
    place.kill("tokyo")
    place.event("node_exited", node="tokyo", signal=9)
    eventually(lambda: place.node("tokyo")["state"] == "dark", "tokyo dark")
    ended = place.skyrack("exec", "tokyo", "--", "true").expect(1)
    assert "tokyo is dark, not serving" in ended.err
    lost = json.loads(place.skyrack("ping", "london", "tokyo", "-c", 1, "-o", "json").expect(1).out)
    assert lost["probes"][0]["measured_ms"] is None
    assert place.node("london")["state"] == "serving"


def test_tcp_survives_a_killed_fabric_and_no_node_is_restarted(either: Place) -> None:
    either.up()
    before = either.tree()
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(
            either.start(("exec", "tokyo", "--", sys.executable, "-c", SERVER), stdout=subprocess.PIPE)
        )
        stack.callback(server.kill)
        assert server.stdout is not None
        assert server.stdout.readline() == b"up\n"
        client = stack.enter_context(
            either.start(
                ("exec", "london", "--", sys.executable, "-c", CLIENT),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        )
        stack.callback(client.kill)
        assert client.stdin is not None
        assert client.stdout is not None

        def echoed(line: bytes) -> bytes:
            assert client.stdin is not None
            assert client.stdout is not None
            client.stdin.write(line)
            client.stdin.flush()
            return bytes(client.stdout.readline())

        # The client is connected before the server has its word for it, and is not if that is lost.
        assert echoed(b"here\n") == b"here\n"
        either.kill("fabric")
        either.event("fabric_down", status=-9)
        assert echoed(b"still here\n") == b"still here\n"
        client.stdin.close()
        assert client.wait(PATIENCE_S) == 0
        assert server.wait(PATIENCE_S) == 0
    either.event("fabric_up")
    either.event("all_serving")
    after = either.tree()
    assert after.pop("fabric") != before.pop("fabric")
    assert after == before
    assert all(node["restarts"] == 0 for node in either.status()["nodes"])
    for event in either.events():
        assert event["event"] != "node_exited"
    either.ping("london", "tokyo")
    either.skyrack("down").expect()
    either.is_clean()


def test_a_node_that_dies_while_there_is_no_fabric_is_found_dark(place: Place) -> None:
    place.scenario.write_text(place.scenario.read_text() + "nodes: {restart: never}\n")
    place.up()
    orchestrator = place.suspend("orchestrator")
    killed = {place.tree()[part] for part in ("fabric", "tokyo")}
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not killed & all_processes().keys(), "the end of both")
    os.kill(orchestrator, signal.SIGCONT)
    place.event("fabric_up")
    eventually(lambda: place.node("tokyo")["state"] == "dark", "tokyo dark")
    eventually(lambda: place.node("london")["state"] == "serving", "london serving")
    place.ping("london", place.bare())


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("zygote", "the process that starts the nodes has ended (killed by signal 9)"),
        ("orchestrator", "the run was killed"),
        ("init", "the run was killed"),
        ("outer", "the run was killed"),
    ],
)
def test_killed_runs_say_so_and_leave_nothing(
    watched: tuple[Place, Foreground], part: str, said: str
) -> None:
    place, run = watched
    place.kill(part)
    text = run.ends(1)
    assert said in text
    assert str(place.runs) in text
    place.is_clean()


@pytest.mark.parametrize("part", ["zygote", "orchestrator", "outer"])
def test_after_a_detached_run_was_killed_commands_say_so_and_the_next_start_works(
    place: Place, part: str
) -> None:
    place.up()
    place.kill(part)
    place.has_ended()
    ended = place.skyrack("status").expect(1)
    assert "no run is up; small was killed or failed" in ended.err
    assert str(place.runs) in ended.err
    if part == "zygote":
        # The nodes that die with it are told of until the end, before or after the failure.
        assert "failed" in [event["event"] for event in place.events()]
    place.up()
    place.ping("london", "tokyo")
    place.skyrack("down").expect()
    place.is_clean()


def test_down_removes_what_a_killed_run_left(place: Place) -> None:
    place.up()
    place.kill("outer")
    place.has_ended()
    assert place.sockets.exists()
    assert "removed what small" in place.skyrack("down").expect().err
    place.is_clean()


def test_a_run_dies_with_its_foreground_command(watched: tuple[Place, Foreground]) -> None:
    place, run = watched
    run.process.kill()
    run.process.wait()
    place.has_ended()
    assert place.events()[-1]["event"] == "stopped"
    place.up()
    place.skyrack("down").expect()
    place.is_clean()


def test_nodes_that_do_not_start_end_the_start_with_their_last_words(place: Place) -> None:
    ended = place.skyrack("up", place.scenario, "--detach", within=limited("max_net_namespaces", 2)).expect(1)
    assert "does not start (3 attempts): node failed: OSError: [Errno 28] unshare" in ended.err
    assert "orchestrator.log" in ended.err
    place.is_clean()


def test_without_restarts_a_node_that_does_not_start_ends_the_start_at_once(place: Place) -> None:
    place.scenario.write_text(place.scenario.read_text() + "nodes: {restart: never}\n")
    ended = place.skyrack("up", place.scenario, within=limited("max_net_namespaces", 2)).expect(1)
    assert "does not start: node failed:" in ended.err
    place.is_clean()


def test_forbidden_namespaces_leave_nothing_and_name_a_fix(place: Place) -> None:
    ended = place.skyrack("up", place.scenario, within=limited("max_pid_namespaces", 0)).expect(1)
    assert "cannot create namespaces" in ended.err
    assert "--privileged" in ended.err
    place.is_clean()
    assert list(place.runs.iterdir()) == []


def test_a_daemon_started_by_exec_dies_with_its_node(place: Place) -> None:
    place.up()
    script = "sleep 1000 >/dev/null 2>&1 & echo started"
    assert place.skyrack("exec", "tokyo", "--", "setsid", "sh", "-c", script).expect().out == "started\n"
    (daemon,) = eventually(
        lambda: [pid for pid, line in place.processes().items() if line.startswith("sleep 1000")],
        "the daemon runs",
    )
    place.kill("tokyo")
    eventually(lambda: not Path(f"/proc/{daemon}").exists(), "the daemon's end")
    place.event("node_serving", node="tokyo", restarts=1)


def test_exec_ends_when_its_node_is_killed(place: Place) -> None:
    place.up()
    guest = place.foreground("exec", "tokyo", "--", "sh", "-c", "echo here; exec sleep 1000")
    guest.says("here")
    place.kill("tokyo")
    guest.ends(128 + signal.SIGKILL)


def test_a_port_that_others_have_is_stepped_over(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        place.up("--port", port)
        http = place.status()["http"]
        assert http.startswith("http://127.0.0.1:")
        assert int(http.rpartition(":")[2]) > port
