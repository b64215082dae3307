"""The first process of a node's container, with the privileges an engine gives it, and what it does for others."""

import asyncio
import contextlib
import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from skyrack.check import check
from skyrack.history import read_history
from skyrack.v1 import hand_out, holding, namespaces, node_init
from skyrack.v1.service_pb2 import SERVICE_PHASE_FAILED, SERVICE_PHASE_READY, ServiceSpec
from skyrack.workloads.coordinator import NODE_DIED, NODE_DOWN, STOPPED

from .container_world import ROOT, ContainerWorld, open_container_world
from .node_stand_ins import PATIENCE_S, eventually
from .test_node_process import INSIDE, alive
from .test_node_services import HIDING, comes_to, once_sleeping, sleepers

pytestmark = [pytest.mark.mesh, pytest.mark.together]


@pytest.fixture(params=["root", "user"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[ContainerWorld]:
    if os.getuid() and request.param == "root":
        pytest.skip("needs root")
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        pytest.skip("needs a writable /dev/net/tun")
    async with open_container_world(root=request.param == "root") as opened:
        yield opened


@pytest.fixture
async def engine() -> AsyncIterator[ContainerWorld]:
    """With exactly the privileges of the compose file."""
    if os.getuid():
        pytest.skip("needs root")
    async with open_container_world(root=True) as opened:
        yield opened


def status_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


async def inside(world: ContainerWorld, name: str, *command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", INSIDE, str(world.node_pid(name)), *command, stdout=subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, command
    return output.decode()


async def receive(sock: socket.socket) -> Any:
    data = await asyncio.to_thread(sock.recv, 8192)
    return json.loads(data) if data else None


async def start_worker(sock: socket.socket) -> tuple[int, int]:
    """A worker that waits: its pid as its container counts, and the descriptor whose end it waits for."""
    says_read, says_write = os.pipe()
    waits_read, waits_write = os.pipe()
    request = node_init.StartWorker("wait", {"text": "here"})
    node_init.send_request(sock, request, [says_write, waits_read])
    os.close(says_write)
    os.close(waits_read)
    assert await receive(sock) == {"ok": True}
    word, pid = (await asyncio.to_thread(os.read, says_read, 100)).split()
    assert word == b"here"
    os.close(says_read)
    return int(pid), waits_write


def workers_beside(world: ContainerWorld, name: str) -> list[int]:
    """Pids, as this test sees them, of the init's children that are not the node."""
    node = world.node_pid(name)
    init = int(status_of(node)["PPid"])
    children = Path(f"/proc/{init}/task/{init}/children").read_text().split()
    return [int(pid) for pid in children if int(pid) != node]


def open_files(pid: int) -> list[str]:
    """What its descriptors are."""
    return [os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir()]


def own_hosts() -> bytes:
    return Path("/etc/hosts").read_bytes()


async def test_a_node_joins_and_nobody_in_its_container_has_a_capability_left(world: ContainerWorld) -> None:
    container = await world.run("n0")
    node = world.node_pid("n0")
    init = int(status_of(node)["PPid"])
    assert status_of(init)["NSpid"].split()[-1] == "1"
    for pid in (node, init):
        status = status_of(pid)
        for key in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert int(status[key], 16) == 0, (pid, key)
        assert status["NoNewPrivs"] == "1"
        if world.root:
            assert status["Uid"].split() == ["1000"] * 4
            assert status["Gid"].split() == ["1000"] * 4
            assert status["Groups"] == ""
        assert status["Threads"] == "1" or pid == node, "a fork of threads hangs"
    assert world.fabric.hellos == ["n0"]
    refused = [fields["setting"] for fields in container.said("setting refused")]
    # The one thing a user namespace of a single group cannot do.
    assert refused == [] or (not world.root and refused == ["net.ipv4.ping_group_range"])
    assert "/dev/net/tun" not in open_files(init), "the device would outlive the node"


async def test_the_settings_of_a_compose_file_leave_nothing_to_be_set_in_a_container(
    engine: ContainerWorld,
) -> None:
    container = await engine.run("n0")
    show = """
import socket, os
from pathlib import Path
try: Path("/proc/sys/net/ipv4/ip_default_ttl").write_text("64"); print("writable")
except OSError: print("read-only")
print(*sorted(name for _, name in socket.if_nameindex() if name in ("lo", "mesh0", "eth0")))
print(*Path("/proc/sys/net/ipv4/ping_group_range").read_text().split())
print(*[line for line in Path("/proc/net/if_inet6").read_text().splitlines() if "mesh0" in line])
import urllib.request
print(urllib.request.urlopen("http://127.0.42.1:50080/healthz").read().decode().strip())
socket.create_connection(("127.0.42.1", 50051)).close()
"""
    lines = (await inside(engine, "n0", sys.executable, "-c", show)).splitlines()
    assert lines == ["read-only", "lo mesh0", "0 65535", "", "ok"], (
        "guests need port 80, which takes no capability"
    )
    assert container.said("setting refused") == []
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        sock.settimeout(PATIENCE_S)
        sock.connect(os.fspath(engine.mesh_dir / "nodes" / "n0.net.sock"))
        handed = await asyncio.to_thread(hand_out.receive_node, sock)
    for descriptor in (handed.ping, handed.net_dev, handed.schedstat):
        os.close(descriptor)
    assert handed.address == "100.64.0.1"


async def test_names_are_written_into_the_files_that_the_engine_mounts(world: ContainerWorld) -> None:
    before = own_hosts()
    await world.run("n0")
    assert await inside(world, "n0", "cat", "/etc/hosts") == (world.mesh_dir / "hosts").read_text()
    assert await inside(world, "n0", "cat", "/etc/resolv.conf") == ""
    assert own_hosts() == before


async def test_it_waits_for_its_configuration_and_says_so_once(world: ContainerWorld) -> None:
    container = await world.start("n0")
    await eventually(lambda: bool(container.said("waiting for the configuration")), "it says that it waits")
    world.configure("n0")
    await eventually(lambda: world.orchestrator.joined == ["n0"], "it joins")
    path = str(world.mesh_dir / "nodes" / "n0.json")
    assert container.said("waiting for the configuration") == [{"path": path}]


async def test_sigterm_while_it_waits_ends_it(world: ContainerWorld) -> None:
    container = await world.start("n0")
    await eventually(lambda: bool(container.said("waiting for the configuration")), "it waits")
    container.signal(signal.SIGTERM)
    assert await container.process.wait() == 0


async def test_sigterm_is_the_nodes_and_ends_the_container_with_its_status(world: ContainerWorld) -> None:
    container = await world.run("n0")
    container.signal(signal.SIGTERM)
    assert await container.ended() == 0
    assert "stopping" in [record["msg"] for record in container.log]
    assert [path.name for path in (world.mesh_dir / "nodes").iterdir()] == ["n0.json"], "a socket is left"


async def test_a_node_that_hangs_is_killed_when_it_is_to_end(world: ContainerWorld) -> None:
    container = await world.run("n0")
    os.kill(world.node_pid("n0"), signal.SIGSTOP)
    container.signal(signal.SIGTERM)
    assert await container.process.wait() == 137


async def test_the_death_of_the_node_is_the_death_of_its_container(world: ContainerWorld) -> None:
    container = await world.run("n0")
    with world.connect("n0") as sock:
        _, waits = await start_worker(sock)
        (worker,) = workers_beside(world, "n0")
        os.kill(world.node_pid("n0"), signal.SIGKILL)
        assert await container.process.wait() == 137
        assert await receive(sock) is None
    os.close(waits)
    assert not alive(worker), "a worker outlived its satellite"
    await eventually(lambda: world.fabric.ended == ["n0"], "its lasers go dark")


async def test_a_container_that_was_killed_starts_again_over_what_it_left(world: ContainerWorld) -> None:
    container = await world.run("n0")
    container.signal(signal.SIGKILL)
    await container.process.wait()
    left = sorted(path.name for path in (world.mesh_dir / "nodes").iterdir())
    assert "n0.init.sock" in left
    assert "n0.sock" in left
    await world.run("n0")
    await node_init.signal_node(world.init_socket("n0"), signal.SIGCONT)
    assert world.fabric.hellos == ["n0", "n0"]


async def test_a_signal_is_passed_to_the_node(world: ContainerWorld) -> None:
    container = await world.run("n0")
    await node_init.signal_node(world.init_socket("n0"), signal.SIGSTOP)
    await eventually(lambda: status_of(world.node_pid("n0"))["State"].startswith("T"), "the node stops")
    await node_init.signal_node(world.init_socket("n0"), signal.SIGKILL)
    assert await container.process.wait() == 137


async def test_a_holder_needs_no_more_than_a_container_has_and_lets_go_when_who_asked_ends(
    world: ContainerWorld,
) -> None:
    await world.run("n0")

    def state() -> str:
        return status_of(world.node_pid("n0"))["State"][0]

    with await node_init.connect_holder(world.init_socket("n0")) as sock:
        sock.send(holding.pack_request(holding.Hold(1, "n0/", holding.Spot(None), paused=True)))
        answer = await asyncio.get_running_loop().sock_recv(sock, holding.MAX_MESSAGE_BYTES)
        seen = holding.unpack_answer(answer)
        assert isinstance(seen, holding.Seen), seen
        assert [name for _, name in seen.processes] == ["sky n0"]
        assert not seen.left
        assert state() == "T"
    await eventually(lambda: state() != "T", "the node goes on")
    await node_init.signal_node(world.init_socket("n0"), signal.SIGCONT)  # the init is there as before


async def test_another_configuration_ends_the_container_so_that_it_is_started_again(
    world: ContainerWorld,
) -> None:
    container = await world.run("n0")
    world.configure("n0", run="another")
    assert await container.ended() == 75
    assert container.said("another configuration, starting again") == [{}]
    await world.run("n0", run="another")


async def test_orphans_are_reaped_by_the_init(world: ContainerWorld) -> None:
    await world.run("n0")
    orphan = "import os\nif os.fork() == 0: os._exit(0)"
    for _ in range(3):
        await inside(world, "n0", sys.executable, "-c", orphan)
    await eventually(lambda: workers_beside(world, "n0") == [], "no zombie is left")


async def test_a_worker_runs_beside_the_node_and_its_end_is_told(world: ContainerWorld) -> None:
    await world.run("n0")
    with world.connect("n0") as sock:
        pid, waits = await start_worker(sock)
        assert pid > 1
        (worker,) = workers_beside(world, "n0")
        for namespace in ("net", "pid", "mnt"):
            assert os.readlink(f"/proc/{worker}/ns/{namespace}") == os.readlink(
                f"/proc/{world.node_pid('n0')}/ns/{namespace}"
            )
        assert int(status_of(worker)["CapPrm"], 16) == 0
        sockets = [link for link in open_files(worker) if "socket" in link]
        assert sockets == [], "it holds something of the init's"
        os.close(waits)
        assert await receive(sock) == {"ended": {"code": 0}}
        assert await receive(sock) is None
    with world.connect("n0") as sock:
        request = node_init.StartWorker("wait", {"raise": "on purpose"})
        node_init.send_request(sock, request, [0, 1])
        assert [await receive(sock) for _ in range(3)] == [{"ok": True}, {"ended": {"code": 1}}, None]


async def test_a_worker_dies_with_the_connection_of_who_asked_for_it(world: ContainerWorld) -> None:
    await world.run("n0")
    with world.connect("n0") as first, world.connect("n0") as second:
        _, first_waits = await start_worker(first)
        _, second_waits = await start_worker(second)
        assert len(workers_beside(world, "n0")) == 2
        first.close()
        await eventually(lambda: len(workers_beside(world, "n0")) == 1, "its worker is gone")
        os.close(second_waits)
        assert await receive(second) == {"ended": {"code": 0}}, "the other one was harmed"
    os.close(first_waits)


async def test_bad_messages_are_answered_and_harm_nobody(world: ContainerWorld) -> None:
    await world.run("n0")
    with world.connect("n0") as sock:
        for text in (
            "garbage",
            "[]",
            '{"op":"fly"}',
            '{"op":"signal","signal":0}',
            '{"op":"signal","signal":true}',
            '{"op":"signal"}',
            '{"op":"worker"}',
            '{"op":"worker","kind":"nothing"}',
            "x" * 5000,
        ):
            sock.send(text.encode())
            answer = await receive(sock)
            assert answer["ok"] is False, text
            assert answer["error"], text
        _, waits = await start_worker(sock)
        node_init.send_request(sock, node_init.StartWorker("wait", {"text": "two"}), [0, 1])
        assert "already" in (await receive(sock))["error"]
        os.close(waits)
        assert await receive(sock) == {"ended": {"code": 0}}
    with world.connect("n0") as sock:
        for _ in range(10_000):
            try:
                sock.send(b"nobody reads the answers")
            except OSError:
                break
            await asyncio.sleep(0)
        else:
            raise AssertionError("answers are kept for ever")
    await node_init.signal_node(world.init_socket("n0"), signal.SIGCONT)


async def test_more_connections_than_there_may_be_are_closed(world: ContainerWorld) -> None:
    await world.run("n0")
    held = [world.connect("n0") for _ in range(64)]
    with world.connect("n0") as sock:
        assert await receive(sock) is None
    for sock in held:
        sock.close()

    while True:  # it hears of each end in its own time
        with contextlib.suppress(OSError):
            await node_init.signal_node(world.init_socket("n0"), signal.SIGCONT)
            break


@pytest.mark.parametrize(
    ("capabilities", "uid", "words"),
    [
        (("setgid", "setuid"), 1000, "NET_ADMIN"),
        (("net_admin",), 1000, "expected root with SETUID and SETGID, or user 1000"),
    ],
)
async def test_a_missing_privilege_is_named(
    engine: ContainerWorld, capabilities: tuple[str, ...], uid: int, words: str
) -> None:
    engine.configure("n0")
    container = await engine.start("n0", capabilities=capabilities, uid=uid)
    assert await container.ended() == 1
    assert words in container.stderr.decode()
    assert b"Traceback" not in container.stderr


async def test_a_configuration_of_no_use_is_named(world: ContainerWorld) -> None:
    world.configure("n0", mtu=1)
    container = await world.start("n0")
    assert await container.ended() == 2
    assert b"mtu: 1" in container.stderr
    world.configure("n0")
    (world.mesh_dir / "nodes" / "n0.json").rename(world.mesh_dir / "nodes" / "n1.json")
    container = await world.start("n1")
    assert await container.ended() == 2
    assert b"'n0', this is n1" in container.stderr


def load_command(world: ContainerWorld) -> list[str]:
    command = [sys.executable, "-m", "skyrack.groundstation.load", "echo", "--mesh-dir", str(world.mesh_dir)]
    return [*command, "--history", str(world.mesh_dir / "history.jsonl")]


async def test_load_from_a_container_accounts_for_every_operation_when_it_dies(world: ContainerWorld) -> None:
    first = await world.run("n0")
    await world.run("n1", kind="ground")
    t0 = time.monotonic_ns()
    command = load_command(world)
    command += ["--t0-monotonic-ns", str(t0), "--pair", "n0>n1=100.64.0.2", "--pair", "n1>n0=100.64.0.1"]
    command += ["--rate-hz", "100", "--duration-s", "3600", "--timeout-s", "60"]
    generator = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    assert generator.stdout is not None
    assert generator.stdin is not None
    assert json.loads(await generator.stdout.readline()) == {"event": "ready"}
    generator.stdin.write(f"start {(time.monotonic_ns() - t0) / 1e9 + 0.1!r}\n".encode())
    operations: list[dict[str, Any]] = []
    events: list[str] = []
    ok = 0
    restarted = stopped = False
    up_s = math.inf
    while line := await generator.stdout.readline():
        entry = json.loads(line)
        if "event" in entry:
            events.append(entry["event"])
            up_s = entry["run_s"] if entry["event"] == "source_up" else up_s
            continue
        operations.append(entry)
        ok += entry["type"] == "ok" and entry["key"] == "n0>n1"
        if not restarted and ok > 25:
            restarted = True
            os.kill(world.node_pid("n0"), signal.SIGKILL)
            assert await first.process.wait() == 137
            await world.run("n0")
        if not stopped and entry["type"] == "ok" and entry["key"] == "n0>n1" and entry["intended_s"] > up_s:
            stopped = True  # it does again what it did
            generator.stdin.close()
    assert await generator.wait() == 0
    assert sorted(entry["op"] for entry in operations) == list(range(len(operations)))
    assert events == ["source_down", "source_up", "over"]

    def errors(kind: str) -> set[str]:
        """Of what n0 was to send, without the words of its client for its own calls, which begin with their status."""
        said = {entry["error"] for entry in operations if entry["key"] == "n0>n1" and entry["type"] == kind}
        return {error for error in said if error.partition(":")[0] not in grpc.StatusCode.__members__}

    assert errors("fail") - {STOPPED} == {NODE_DOWN}
    assert errors("unknown") <= {NODE_DIED, STOPPED}
    await eventually(
        lambda: not workers_beside(world, "n0") + workers_beside(world, "n1"), "no worker is left"
    )


STORE = """
from skyrack.workloads.stores.memory import Memory, MemoryStore

MEMORY = Memory()


class Store(MemoryStore):
    def __init__(self, endpoints, timeout_s):
        super().__init__(MEMORY)
"""


async def test_clients_of_a_workload_run_in_a_container(world: ContainerWorld) -> None:
    """With a workload's name, its options and an adapter from a file, which all travel as JSON."""
    await world.run("n0")
    adapter = world.mesh_dir / "store.py"
    adapter.write_text(STORE)
    history = world.mesh_dir / "history.jsonl"
    t0 = time.monotonic_ns()
    command = [sys.executable, "-m", "skyrack.groundstation.load", "store", "--mesh-dir", str(world.mesh_dir)]
    command += ["--history", str(history), "--t0-monotonic-ns", str(t0), "--node", "n0", "--clients", "5"]
    command += ["--workload", "bank", "--options", '{"accounts": 3}', "--adapter", f"{adapter}:Store"]
    command += ["--endpoint", "100.64.0.1:1", "--rate-hz", "100", "--duration-s", "1"]
    generator = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    assert generator.stdout is not None
    assert generator.stdin is not None
    assert json.loads(await generator.stdout.readline()) == {"event": "ready"}
    generator.stdin.write(f"start {(time.monotonic_ns() - t0) / 1e9 + 0.1!r}\n".encode())
    await generator.stdout.read()
    assert await generator.wait() == 0
    found = read_history(history)
    assert not found.cut_short
    assert {(operation.outcome, operation.error) for operation in found.operations} <= {
        ("ok", ""),
        ("fail", ""),
    }
    assert len(found.operations) == 101
    assert check(found).verdict == "ok"
    await eventually(lambda: not workers_beside(world, "n0"), "no worker is left")


async def test_load_that_is_killed_leaves_no_worker(world: ContainerWorld) -> None:
    await world.run("n0")
    command = load_command(world)
    command += ["--t0-monotonic-ns", "0", "--pair", "n0>n1=100.64.0.2"]
    generator = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, cwd=ROOT)
    await eventually(lambda: len(workers_beside(world, "n0")) == 1, "its worker runs")
    generator.kill()
    await generator.wait()
    await eventually(lambda: workers_beside(world, "n0") == [], "the worker is gone")
    assert namespaces.pid_of_socket(world.mesh_dir / "nodes" / "n0.sock")


async def test_a_service_in_a_container_runs_as_the_images_user_and_ends_with_all_it_left(
    world: ContainerWorld,
) -> None:
    """Nobody there may become another user, and the node is not the init that orphans fall to."""
    other = "daemon" if world.root else "nobody"
    hides = HIDING.format(9112) + once_sleeping(3, 9112)
    world.orchestrator.set_services(
        "n0",
        ServiceSpec(name="runs", generation=1, command=["sh", "-c", "id -u; exec sleep 9111"], data_dir="/"),
        ServiceSpec(name="hides", generation=1, command=["sh", "-c", hides], data_dir="/"),
        ServiceSpec(name="other", generation=1, command=["sleep", "9113"], user=other, data_dir="/"),
    )
    container = await world.run("n0")
    said = world.orchestrator
    await comes_to(said, "runs", SERVICE_PHASE_READY)
    left = await comes_to(said, "hides", SERVICE_PHASE_FAILED)
    assert "and left 3 behind: sleep" in left.reason
    assert sleepers(9112) == []
    refused = await comes_to(said, "other", SERVICE_PHASE_FAILED)
    assert refused.reason.startswith(f"cannot become user {other}: ")

    def printed() -> list[str]:
        return [record["msg"] for record in container.log if record.get("service") == "runs"]

    await eventually(lambda: bool(printed()), "it says who it is")
    assert printed() == [str(world.uid)]
    said.set_services("n0")
    await eventually(lambda: len(said.reports[-1].services) == 0, "all are ended")
    assert sleepers(9111) == []
