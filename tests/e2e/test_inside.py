"""What a program finds inside a node."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys

import pytest

from .place import PATIENCE_S, Place, eventually

pytestmark = [pytest.mark.mesh, pytest.mark.together]


def test_every_node_knows_every_name(running: Place) -> None:
    status = running.status()["nodes"]
    nodes = {node["name"]: node["address"] for node in status}
    assert len(nodes) == 68
    code = "import socket,sys; [print(n, socket.gethostbyname(n)) for n in sys.argv[1:]]"
    for inside in [node["name"] for node in status if node["inhabited"]]:
        said = running.skyrack("exec", inside, "--", sys.executable, "-c", code, *nodes).expect().out
        assert dict(line.split() for line in said.splitlines()) == nodes


def test_a_bare_satellite_answers_ping_and_shows_in_traceroute(running: Place) -> None:
    target = running.bare()
    words = ("ping", "london", target, "-c", 2, "-i", "20ms")
    eventually(lambda: "2 sent, 2 received" in running.skyrack(*words).out, "both probes came back")
    if shutil.which("traceroute") is None:
        pytest.skip("no traceroute on this machine")
    trace = running.skyrack("exec", "london", "--", "traceroute", "-w", "60", "-q", "1", "tokyo").expect().out
    hops = [line.split()[1] for line in trace.splitlines()[1:]]
    assert hops[-1] == "tokyo"
    assert len(hops) > 2
    assert all(hop.startswith("p") for hop in hops[:-1]), trace


def test_programs_of_the_system_reach_other_nodes(running: Place) -> None:
    if shutil.which("ping") is None:
        pytest.skip("no ping on this machine")
    said = running.skyrack("exec", "tokyo", "--", "ping", "-c", "1", "-W", "60", "london").expect().out
    assert "1 received" in said


def test_proxies_and_name_servers_of_the_host_are_not_seen(running: Place) -> None:
    running.environment |= {"http_proxy": "http://proxy:1", "HTTPS_PROXY": "http://proxy:1", "KEPT": "yes"}
    said = (
        running.skyrack("exec", "london", "--", "sh", "-c", "env; cat /etc/resolv.conf").expect().out.lower()
    )
    assert "proxy" not in said
    assert "nameserver" not in said
    assert "kept=yes" in said


ASK = """
import json, os, urllib.request
for path in ("identity", "clock", "peers", "environment"):
    print(urllib.request.urlopen(os.environ["SKYRACK_API"] + "/v1/" + path, timeout=100).read().decode().replace("\\n", ""))
print(json.dumps(dict(os.environ)))
"""


def test_a_program_is_told_who_it_is_what_time_it_is_and_who_is_there(running: Place) -> None:
    status = running.status()
    satellite = next(
        node["name"] for node in status["nodes"] if node["inhabited"] and node["kind"] == "satellite"
    )
    said = running.skyrack("exec", satellite, "--", sys.executable, "-c", ASK).expect().out
    identity, clock, peers, environment, variables = (json.loads(line) for line in said.splitlines())
    assert (identity["name"], identity["joined"], identity["attached"]) == (satellite, True, True)
    inhabited = [node["name"] for node in status["nodes"] if node["inhabited"]]
    assert sorted([satellite, *(peer["name"] for peer in peers["peers"])]) == sorted(inhabited)
    assert 700.0 < environment["altitude_km"] < 850.0
    assert isinstance(environment["sunlit"], bool)
    assert clock["t0_monotonic_ns"] == variables["SKYRACK_T0_MONOTONIC_NS"] == str(status["t0_monotonic_ns"])
    assert clock["speed"] == float(variables["SKYRACK_SPEED"])
    told = {
        key.removeprefix("SKYRACK_").lower(): variables[key]
        for key in variables
        if key.startswith("SKYRACK_")
    }
    assert {key: told[key] for key in ("run", "node", "kind", "address", "index", "grpc")} == {
        "run": status["run"], "node": satellite, "kind": "satellite", "address": identity["address"],
        "index": str(identity["index"]), "grpc": "skyrack.internal:50051",
    }  # fmt: skip
    found = json.loads(running.skyrack(*as_guest_of(satellite)).expect().out)
    assert {key: found[key] for key in variables if key in found} | variables == variables


def as_guest_of(node: str) -> tuple[str, ...]:
    """What `skyrack exec` has containers carry out, with its own variables taken away."""
    show = "import json, os; print(json.dumps({k: v for k, v in os.environ.items() if k.startswith('SKYRACK_')}))"
    python = sys.executable
    return ("exec", node, "--", "env", "-i", python, "-m", "skyrack.node.guest.program", python, "-c", show)


def test_a_link_that_a_fault_cuts_is_an_alert_and_so_is_its_return(running: Place) -> None:
    nodes = running.status()["nodes"]
    node = next(node["name"] for node in nodes if node["inhabited"] and node["kind"] == "satellite")
    watch = (
        "import urllib.request\n"
        "for line in urllib.request.urlopen('http://skyrack.internal:50080/v1/alerts'):\n"
        "    print(line.decode(), end='', flush=True)"
    )
    process = running.start(("exec", node, "--", sys.executable, "-c", watch), stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b": alerts from now on\n"
    lost, back = set[str](), set[str]()

    def hear() -> None:
        line = process.stdout.readline() if process.stdout is not None else b""
        assert line, f"the watcher has ended: {process.wait()}"
        if line.startswith(b"data: "):
            alert = json.loads(line[6:])
            if alert["kind"] == "ALERT_KIND_LINK_LOST":
                lost.add(alert["peer"])
            elif alert["kind"] == "ALERT_KIND_LINK_BACK":
                back.add(alert["peer"])

    plane, _, slot = node.partition("s")
    # Links within a plane never change.
    always = {f"{plane}s{(int(slot) + step) % 11:02}" for step in (1, -1)}
    running.skyrack("fault", "add", "down", "--node", node).expect()
    while not always <= lost:
        hear()
    running.skyrack("fault", "rm", "--all").expect()
    while not always <= back:
        hear()
    process.terminate()
    process.wait()
    process.stdout.close()


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 3"], 3),
        (["sh", "-c", "kill -TERM $$"], 128 + signal.SIGTERM),
        (["sh", "-c", "kill -KILL $$"], 128 + signal.SIGKILL),
        (["no-such-program"], 127),
        (["/etc"], 126),
        (["sh", "-c", "yes | head -1"], 0),
    ],
)
def test_the_status_of_the_program_is_ours(running: Place, command: list[str], status: int) -> None:
    ended = running.skyrack("exec", "london", "--", *command).expect(status)
    assert "Broken pipe" not in ended.err


def test_exec_passes_options_and_streams_as_they_are(running: Place) -> None:
    code = "import sys; print(sys.argv[1:]); sys.stderr.write(sys.stdin.read())"
    process = running.start(
        ("exec", "london", sys.executable, "-c", code, "--run", "-h", "--", "x"),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    out, err = process.communicate(b"text", timeout=PATIENCE_S)
    assert out == b"['--run', '-h', '--', 'x']\n"
    assert err == b"text"


def test_ctrl_c_reaches_the_program_and_a_terminal_works(running: Place) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ |= {"SKYRACK_SOCKET_DIR": str(running.sockets)}
        script = "trap 'echo interrupted; exit 7' INT; test -t 0 && echo on a terminal; while :; do sleep 0.05; done"
        skyrack = os.path.join(os.path.dirname(sys.executable), "skyrack")
        os.execv(skyrack, [skyrack, "exec", "london", "--", "sh", "-c", script])
    said = b""
    while b"on a terminal" not in said:
        said += os.read(terminal, 4096)
    os.write(terminal, b"\x03")
    while b"interrupted" not in said:
        said += os.read(terminal, 4096)
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 7


def test_a_guest_daemon_does_not_outlive_the_run(place: Place) -> None:
    place.up()
    place.skyrack("exec", "london", "--", "setsid", "sh", "-c", "sleep 1000 >/dev/null 2>&1 &").expect()
    eventually(
        lambda: any(line.startswith("sleep 1000") for line in place.processes().values()), "the daemon runs"
    )
    place.skyrack("down").expect()
    place.is_clean()


@pytest.mark.parametrize(
    ("arguments", "message", "status"),
    [
        (("exec", "p9s99", "--", "true"), "no node is called 'p9s99'", 2),
        (("exec", "lodon", "--", "true"), "did you mean london", 2),
        (("ping", "london", "tokio"), "did you mean tokyo", 2),
        (("ping", "london", "tokyo", "-i", "1us"), "--interval", 2),
        (("logs", "lonon"), "did you mean london", 2),
        (("status", "--run", "other"), "no run called 'other' is up", 1),
        (("load", "echo", "--pair", "london>x"), "hint", 2),
        (("load", "echo", "--fault", "kill:tokyo"), "KIND:TARGET[:VALUE]@TIME", 2),
    ],
)
def test_names_that_do_not_exist(
    running: Place, arguments: tuple[str, ...], message: str, status: int
) -> None:
    ended = running.skyrack(*arguments).expect(status)
    assert message in ended.err
    assert ended.out == ""


def test_nothing_can_be_run_in_a_bare_satellite(running: Place) -> None:
    target = running.bare()
    for arguments in (("exec", target, "--", "true"), ("ping", target, "london")):
        assert "is a bare satellite: it has no process" in running.skyrack(*arguments).expect(1).err
