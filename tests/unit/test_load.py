"""The load generator: when operations are due, what their errors mean, and that each is accounted for exactly once."""

import json
import math
import os
import queue
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self

import grpc
import pytest

from skyrack.groundstation.load.arrivals import Arrivals, Pair
from skyrack.groundstation.load.client import Plan
from skyrack.groundstation.load.echo import EchoClients
from skyrack.groundstation.load.grpc_errors import definitely_failed
from skyrack.groundstation.load.host import run_host
from skyrack.groundstation.load.store_client import StoreClients
from skyrack.history import read_history
from skyrack.orchestrator.measure.pairs import PairError, choose
from skyrack.workloads import Request
from skyrack.workloads.coordinator import NODE_DIED, NODE_DOWN, STOPPED

PAIRS = (Pair("a", "b", "127.0.0.1"), Pair("b", "a", "127.0.0.1"), Pair("a", "c", "127.0.0.1"))


def test_fixed_arrivals_are_evenly_spaced_with_pairs_taking_turns() -> None:
    arrivals = Arrivals(PAIRS, rate_hz=30, duration_s=1.0)
    found = list(arrivals.planned(64))
    assert [planned.at_s for planned in found] == pytest.approx([op / 30 for op in range(30)])
    assert [planned.request.key for planned in found[:4]] == ["a>b", "b>a", "a>c", "a>b"]
    assert [planned.node for planned in found[:3]] == ["a", "b", "a"]


def test_poisson_arrivals_have_the_rate_and_are_in_order() -> None:
    arrivals = Arrivals(PAIRS, rate_hz=300, duration_s=20.0, spacing="poisson", seed=4)
    found = [planned.at_s for planned in arrivals.planned(64)]
    assert len(found) == pytest.approx(6000, rel=0.05)
    assert found == sorted(found)


def test_another_pair_or_seed_changes_only_what_it_should() -> None:
    def times(pairs: tuple[Pair, ...], seed: int) -> list[float]:
        rate_hz = 10.0 * len(pairs)  # the rate of a pair stays the same
        return [at_s for at_s, _ in Arrivals(pairs, rate_hz, 5.0, spacing="poisson", seed=seed).of(0)]

    assert times(PAIRS, 1) == times(PAIRS[:2], 1)
    assert times(PAIRS, 1) != times(PAIRS, 2)


@pytest.mark.parametrize(
    ("code", "details", "fails"),
    [
        (grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded", False),
        (grpc.StatusCode.UNAVAILABLE, "Socket closed", False),
        (grpc.StatusCode.UNAVAILABLE, "failed to connect to all addresses; last error: x", True),
        (grpc.StatusCode.INVALID_ARGUMENT, "reply_bytes", True),
        (grpc.StatusCode.INTERNAL, "RST_STREAM", False),
    ],
)
def test_an_error_is_a_fail_only_if_nothing_can_have_happened(
    code: grpc.StatusCode, details: str, fails: bool
) -> None:
    assert definitely_failed(code, details) is fails


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
    command += ["--history", str(socket_dir / "history.jsonl")]
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
    until = time.monotonic() + 60
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
        with generator(socket_dir, "--rate-hz", "100", "--duration-s", "1", "--timeout-s", "60") as (
            process,
            t0,
        ):
            start_s = begin(process, t0)
            found = list(lines(process))
            assert process.wait(60) == 0
    assert found.pop() == {"event": "over", "whole": True, "unfinished": 0}
    assert sorted(line["op"] for line in found if "op" in line) == list(range(100))
    history = read_history(socket_dir / "history.jsonl")
    assert not history.cut_short
    assert {operation.outcome for operation in history.operations} == {"ok"}
    for operation in history.operations:
        assert operation.intended_s == pytest.approx(start_s + operation.index / 100, abs=1e-6)
        assert operation.intended_s <= operation.invoked_s <= operation.completed_s


@pytest.mark.mesh
def test_a_source_that_dies_and_returns_loses_no_account_of_an_operation(socket_dir: Path) -> None:
    path = socket_dir / "nodes" / "a.sock"
    found: list[dict[str, Any]] = []
    with generator(socket_dir, "--rate-hz", "50", "--duration-s", "3600", "--timeout-s", "60") as (
        process,
        t0,
    ):
        with node(path) as first:
            wait_for(path)
            # The generator may have found nobody at first; it says ready then too, and enters as soon as it can.
            begin(process, t0)
            for line in lines(process):
                found.append(line)
                if sum(entry.get("type") == "ok" for entry in found) == 30:
                    first.kill()
                    break
        with node(path):
            assert process.stdin is not None
            up_s = math.inf
            for line in lines(process):
                found.append(line)
                if line.get("event") == "source_up":
                    up_s = line["run_s"]
                if line.get("type") == "ok" and line["intended_s"] > up_s and not process.stdin.closed:
                    process.stdin.close()  # it does again what it did
            assert process.wait(60) == 0
    operations = [line for line in found if "op" in line]
    assert sorted(line["op"] for line in operations) == list(range(len(operations)))
    events = [line["event"] for line in found if "event" in line]
    assert events == ["source_down", "source_up", "over"]
    errors = Counter((line["type"], line["error"]) for line in operations if line["type"] != "ok")
    assert errors["fail", NODE_DOWN] > 0
    # A call to itself may see its connection end by the dying node before its own end comes: reset, closed or broken.
    caught = {error for kind, error in errors if kind == "unknown"} - {STOPPED}
    assert {error for kind, error in errors if kind == "fail"} - {STOPPED} == {NODE_DOWN}
    assert all(error == NODE_DIED or error.startswith("UNAVAILABLE: ") for error in caught), caught
    back = max(line["intended_s"] for line in operations if line["error"] == NODE_DOWN)
    assert any(line["type"] == "ok" and line["intended_s"] > back for line in operations)
    history = read_history(socket_dir / "history.jsonl")
    assert not history.cut_short
    answered = [operation for operation in history.operations if operation.outcome == "ok"]
    before = {operation.process for operation in answered if operation.invoked_s < back}
    assert not before & {operation.process for operation in answered if operation.invoked_s > back}


@pytest.mark.mesh
def test_the_end_of_the_caller_stops_everything_and_leaves_nothing_open(socket_dir: Path) -> None:
    path = socket_dir / "nodes" / "a.sock"
    with node(path):
        wait_for(path)
        with generator(socket_dir, "--rate-hz", "100", "--duration-s", "3600") as (process, t0):
            begin(process, t0)
            assert process.stdin is not None
            next(lines(process))
            process.stdin.close()
            rest = list(lines(process))
            assert process.wait(60) == 0
    assert rest.pop() == {"event": "over", "whole": True, "unfinished": 0}
    assert all(line["type"] in ("ok", "unknown") for line in rest)
    assert not read_history(socket_dir / "history.jsonl").cut_short


@pytest.mark.mesh
def test_a_generator_that_is_killed_leaves_a_history_and_no_worker(socket_dir: Path) -> None:
    path = socket_dir / "nodes" / "a.sock"
    with node(path):
        wait_for(path)
        with generator(socket_dir, "--rate-hz", "100", "--duration-s", "3600", "--timeout-s", "60") as (
            process,
            t0,
        ):
            begin(process, t0)
            for _ in zip(range(50), lines(process), strict=False):
                pass
            workers = children(process.pid)
            process.kill()
            process.wait()
        until = time.monotonic() + 60
        while any(alive(pid) for pid in workers):
            assert time.monotonic() < until, "a worker outlived its generator"
            time.sleep(0.02)
    assert workers
    history = read_history(socket_dir / "history.jsonl")
    assert history.cut_short
    assert sum(operation.outcome == "ok" for operation in history.operations) >= 50
    assert {operation.outcome for operation in history.operations} <= {"ok", "unknown"}


def test_a_full_disk_ends_the_load_at_once_and_says_so(socket_dir: Path) -> None:
    """Nobody serves, so every operation fails: two lines each, until no line fits."""
    limit = "import resource, runpy, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    limit += "resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000)); "
    limit += "runpy.run_module('skyrack.groundstation.load', run_name='__main__')"
    t0 = time.monotonic_ns()
    command = [sys.executable, "-c", limit, "echo", "--mesh-dir", str(socket_dir)]
    command += ["--t0-monotonic-ns", str(t0), "--pair", "a>b=127.0.0.1", "--duration-s", "3600"]
    command += ["--rate-hz", "200", "--history", str(socket_dir / "history.jsonl")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        process.stdin.write(f"start {(time.monotonic_ns() - t0) / 1e9!r}\n")
        process.stdin.flush()
        *_, failed, over = lines(process)
    assert failed["event"] == "failed"
    assert "File too large" in failed["error"]
    assert over["whole"] is False
    history = read_history(socket_dir / "history.jsonl")
    assert history.cut_short
    assert not history.torn


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_pair_that_makes_no_sense_is_said_in_one_line(socket_dir: Path) -> None:
    command = [sys.executable, "-m", "skyrack.groundstation.load", "echo", "--mesh-dir", str(socket_dir)]
    command += ["--t0-monotonic-ns", "0", "--pair", "a=b", "--history", str(socket_dir / "h")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert result.stderr.strip() == "--pair a=b: expected A>B=ADDRESS"


def test_what_a_worker_is_told_survives_the_way_to_a_container() -> None:
    """There it travels as JSON, while elsewhere a worker is a child."""
    clients = StoreClients("kv", {"keys": 3}, "redis,wait=1", ["100.64.0.1:6379"], 2.0, "scope", 7)
    for plan in (
        Plan(5, 2.0, clients, clients_per_node=4),
        Plan(5, 2.0, EchoClients({"a": {"b": "100.64.0.2"}}, 2.0)),
    ):
        assert Plan.from_mapping(json.loads(json.dumps(plan.as_mapping()))) == plan


class Odd:
    """Clients whose store answers what JSON has no form for."""

    kind: ClassVar[str] = "odd"
    shared: ClassVar[bool] = True

    def connect(self, source: str, place: int) -> Self:
        return self

    def load(self) -> None:
        return

    async def open(self) -> None:
        return

    async def prepare(self) -> None:
        return

    async def invoke(self, request: Request) -> object:
        return {1, 2}

    async def close(self) -> None:
        return


def test_an_answer_that_no_history_can_hold_is_unknown_and_its_client_is_free_again() -> None:
    requests, asks = os.pipe()
    answers: queue.Queue[dict[str, Any]] = queue.Queue()
    host = threading.Thread(
        target=run_host,
        args=(Plan(time.monotonic_ns(), 1.0, Odd()), "a"),
        kwargs={
            "warm_up": False,
            "requests": requests,
            "emit": lambda line: answers.put(json.loads(line)),
        },
    )
    host.start()
    try:
        assert answers.get(timeout=60.0) == {"ready": True}
        asked = {"op": 0, "process": 0, "f": "read", "key": "x", "value": None, "at_s": 0.0}
        os.write(asks, json.dumps(asked).encode() + b"\n")
        answer = answers.get(timeout=60.0)
    finally:
        os.close(asks)
        host.join()
    assert (answer["op"], answer["type"]) == (0, "unknown")
    assert "set is not JSON serializable" in answer["error"]
