"""The load generator: when operations are due, what their errors mean, and that each is accounted for exactly once."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from skyrack.groundstation.load.arrivals import Arrivals, Pair
from skyrack.groundstation.load.operation import kind_of_error
from skyrack.orchestrator.measure.pairs import PairError, choose

PAIRS = (Pair("a", "b", "127.0.0.1"), Pair("b", "a", "127.0.0.1"), Pair("a", "c", "127.0.0.1"))


def test_fixed_arrivals_are_evenly_spaced_with_pairs_taking_turns() -> None:
    arrivals = Arrivals(PAIRS, rate_hz=30, duration_s=1.0)
    found = sorted((a.at_s, a.op, index) for index in range(3) for a in arrivals.of(index))
    assert [op for _, op, _ in found] == list(range(30))
    assert [index for _, _, index in found[:4]] == [0, 1, 2, 0]
    assert found[29][0] == pytest.approx(29 / 30)


def test_poisson_arrivals_have_the_rate_and_unique_numbers() -> None:
    arrivals = Arrivals(PAIRS, rate_hz=300, duration_s=20.0, spacing="poisson", seed=4)
    found = [a for index in range(3) for a in arrivals.of(index)]
    assert len(found) == pytest.approx(6000, rel=0.05)
    assert len({a.op for a in found}) == len(found)


def test_another_pair_or_seed_changes_only_what_it_should() -> None:
    def times(pairs: tuple[Pair, ...], seed: int) -> list[float]:
        rate_hz = 10.0 * len(pairs)  # the rate of a pair stays the same
        return [a.at_s for a in Arrivals(pairs, rate_hz, 5.0, spacing="poisson", seed=seed).of(0)]

    assert times(PAIRS, 1) == times(PAIRS[:2], 1)
    assert times(PAIRS, 1) != times(PAIRS, 2)


@pytest.mark.parametrize(
    ("code", "details", "kind"),
    [
        (grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded", "unknown"),
        (grpc.StatusCode.UNAVAILABLE, "Socket closed", "unknown"),
        (grpc.StatusCode.UNAVAILABLE, "failed to connect to all addresses; last error: x", "fail"),
        (grpc.StatusCode.INVALID_ARGUMENT, "reply_bytes", "fail"),
        (grpc.StatusCode.INTERNAL, "RST_STREAM", "unknown"),
    ],
)
def test_an_error_is_a_fail_only_if_nothing_can_have_happened(
    code: grpc.StatusCode, details: str, kind: str
) -> None:
    assert kind_of_error(code, details) == kind


def test_pairs_are_drawn_repeatably_and_wrong_ones_are_named() -> None:
    nodes = ["london", "tokyo", "p0s00", "p1s01"]
    assert choose("random", nodes, 1) == choose("random", nodes, 1) != choose("random", nodes, 2)
    assert len(choose("all", nodes, 1)) == 12
    assert choose(["london > tokyo"], nodes, 1) == [("london", "tokyo")]
    with pytest.raises(PairError, match="no process named nowhere"):
        choose(["london>nowhere"], nodes, 1)
    with pytest.raises(PairError, match="two different nodes"):
        choose(["london>london"], nodes, 1)
    with pytest.raises(PairError, match="needs two nodes"):
        choose("random", ["alone"], 1)


# A node as the generator sees it: own PID and network namespace, an echo server, a management socket.
NODE = """
import asyncio, fcntl, grpc, os, socket, struct, sys
from pathlib import Path
from skyrack.v1 import namespaces as ns, node_pb2, node_pb2_grpc
if os.getuid():
    uid, gid = os.getuid(), os.getgid()
    ns.unshare(ns.CLONE_NEWUSER)
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        Path(f"/proc/self/{name}").write_text(text)
ns.unshare(ns.CLONE_NEWPID)
pid = os.fork()
if pid:
    os.waitpid(pid, 0)
    sys.exit()
ns.die_with_parent()
ns.unshare(ns.CLONE_NEWNS | ns.CLONE_NEWNET | ns.CLONE_NEWUTS)
with socket.socket() as sock:
    fcntl.ioctl(sock, 0x8914, struct.pack("16sH14x", b"lo", 1))
class Node(node_pb2_grpc.NodeServiceServicer):
    async def Echo(self, request, context):
        return node_pb2.EchoResponse(payload=request.payload)
async def main():
    server = grpc.aio.server()
    node_pb2_grpc.add_NodeServiceServicer_to_server(Node(), server)
    server.add_insecure_port("127.0.0.1:50051")
    server.add_insecure_port("unix:" + sys.argv[1])
    await server.start()
    await server.wait_for_termination()
asyncio.run(main())
"""


@contextmanager
def node(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", NODE, str(path)]) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def generator(socket_dir: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    t0 = time.monotonic_ns()
    command = [sys.executable, "-m", "skyrack.groundstation.load", "echo", "--mesh-dir", str(socket_dir)]
    command += ["--t0-monotonic-ns", str(t0), "--pair", "a>b=127.0.0.1", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process, t0
        finally:
            process.kill()


def begin(process: subprocess.Popen[str], t0: int) -> float:
    """Wait for ready, start at once; returns the run time of the start."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert json.loads(process.stdout.readline()) == {"event": "ready"}
    start_s = (time.monotonic_ns() - t0) / 1e9 + 0.1
    process.stdin.write(f"start {start_s!r}\n")
    process.stdin.flush()
    return start_s


def wait_for(path: Path) -> None:
    until = time.monotonic() + 20
    while not path.exists() and time.monotonic() < until:
        os.sched_yield()
        time.sleep(0.02)
    assert path.exists()


def lines(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert process.stdout is not None
    for line in process.stdout:
        yield json.loads(line)


@pytest.fixture
def socket_dir(tmp_path: Path) -> Path:
    (tmp_path / "nodes").mkdir()
    return tmp_path


@pytest.mark.mesh
def test_every_operation_is_answered_and_measured_from_its_intended_start(socket_dir: Path) -> None:
    path = socket_dir / "nodes" / "a.sock"
    with node(path):
        wait_for(path)
        with generator(socket_dir, "--rate-hz", "100", "--duration-s", "1") as (process, t0):
            start_s = begin(process, t0)
            found = list(lines(process))
            assert process.wait(10) == 0
    assert sorted(line["op"] for line in found) == list(range(100))
    assert {line["type"] for line in found} == {"ok"}
    for line in found:
        assert line["intended_s"] == pytest.approx(start_s + line["op"] / 100)
        assert line["intended_s"] <= line["invoke_s"] <= line["complete_s"]


@pytest.mark.mesh
def test_a_source_that_dies_and_returns_loses_no_account_of_an_operation(socket_dir: Path) -> None:
    path = socket_dir / "nodes" / "a.sock"
    found: list[dict[str, Any]] = []
    with generator(socket_dir, "--rate-hz", "200", "--duration-s", "4", "--timeout-s", "1") as (process, t0):
        with node(path) as first:
            wait_for(path)
            # The generator may have found nobody at first; it says ready then too, and enters as soon as it can.
            begin(process, t0)
            for line in lines(process):
                found.append(line)
                if sum(entry.get("type") == "ok" for entry in found) == 100:
                    first.kill()
                    break
        with node(path):
            found += lines(process)
            assert process.wait(10) == 0
    operations = [line for line in found if "op" in line]
    assert sorted(line["op"] for line in operations) == list(range(800))
    events = [line["event"] for line in found if "event" in line]
    assert events[:2] == ["source_down", "source_up"] or events[:3] == [
        "source_up",
        "source_down",
        "source_up",
    ]
    errors = Counter((line["type"], line["error"]) for line in operations if line["type"] != "ok")
    assert errors["fail", "source down"] > 0
    # A call to itself may see its connection end by the dying node before its own end comes: reset, closed or broken.
    caught = {error for kind, error in errors if kind == "unknown"}
    assert {error for kind, error in errors if kind == "fail"} == {"source down"}
    assert all(error == "source died" or error.startswith("UNAVAILABLE: ") for error in caught), caught
    back = max(line["intended_s"] for line in operations if line["error"] == "source down")
    assert any(line["type"] == "ok" and line["intended_s"] > back for line in operations)


@pytest.mark.mesh
def test_the_end_of_the_caller_stops_everything_and_leaves_nothing_open(socket_dir: Path) -> None:
    path = socket_dir / "nodes" / "a.sock"
    with node(path):
        wait_for(path)
        with generator(socket_dir, "--rate-hz", "100", "--duration-s", "60") as (process, t0):
            begin(process, t0)
            assert process.stdin is not None
            next(lines(process))
            process.stdin.close()
            rest = list(lines(process))
            assert process.wait(10) == 0
    assert all(line["type"] in ("ok", "unknown") for line in rest)


def test_a_pair_that_makes_no_sense_is_said_in_one_line(socket_dir: Path) -> None:
    command = [sys.executable, "-m", "skyrack.groundstation.load", "echo", "--mesh-dir", str(socket_dir)]
    command += ["--t0-monotonic-ns", "0", "--pair", "a=b"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert result.stderr.strip() == "--pair a=b: expected A>B=ADDRESS"
