"""Real node processes from the real zygote, in real namespaces, with a stand-in fabric and orchestrator."""

import asyncio
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from skyrack.node.metrics import read_device_counters
from skyrack.orchestrator.measure.hold import connect_node
from skyrack.v1 import mesh_pb2, namespaces, node_pb2, node_pb2_grpc, transfer_pb2, transfer_pb2_grpc
from skyrack.v1.hand_out import receive_node

from .node_stand_ins import IN_USER_NAMESPACE, PATIENCE_S, World, eventually, open_world, scrape
from .records import read_records

pytestmark = [pytest.mark.mesh, pytest.mark.together]

LAUNCHERS: dict[str, tuple[str, ...]] = {"root": (), "user": IN_USER_NAMESPACE}

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

# fork_into in a process of its own: this one has gRPC threads.
INSIDE = """
import os, sys
from skyrack.v1 import namespaces
child = namespaces.fork_into(int(sys.argv[1]))
if child == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.fixture(params=LAUNCHERS)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    if os.getuid() and request.param == "root":
        pytest.skip("needs root")
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        pytest.skip("needs a writable /dev/net/tun")
    async with open_world(LAUNCHERS[request.param]) as opened:
        yield opened


def pid_of(world: World, name: str) -> int:
    return namespaces.pid_of_socket(world.socket_dir / "nodes" / f"{name}.sock")


async def inside(world: World, name: str, *command: str) -> str:
    """Standard output of a command run in a node."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", INSIDE, str(pid_of(world, name)), *command, stdout=subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, command
    return output.decode()


async def python_inside(world: World, name: str, code: str) -> str:
    return await inside(world, name, sys.executable, "-c", code)


def health_stub(channel: grpc.aio.Channel) -> Any:
    """The published type stubs know neither its methods nor aio."""
    untyped: Any = health_pb2_grpc.HealthStub
    return untyped(channel)


async def health(world: World, name: str, service: str = "") -> Any:
    async with world.channel(name) as channel:
        stub = health_stub(channel)
        return (await stub.Check(health_pb2.HealthCheckRequest(service=service))).status


async def health_becomes(world: World, name: str, service: str, status: int) -> None:
    async with world.channel(name) as channel:
        stub = health_stub(channel)
        async for answer in stub.Watch(health_pb2.HealthCheckRequest(service=service)):
            if answer.status == status:
                return


def mounts_here() -> list[str]:
    """Those over places of a node; others come and go on a host."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in lines if line.split()[4] in ("/proc", "/etc/hosts", "/etc/resolv.conf")]


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def log_of(world: World, name: str) -> list[dict[str, Any]]:
    return read_records(world.socket_dir / f"{name}.jsonl")


async def test_a_node_attaches_joins_and_answers(world: World) -> None:
    await world.spawn("n0")
    assert world.fabric.hellos == ["n0"]
    async with world.channel("n0") as channel:
        node = node_pb2_grpc.NodeServiceStub(channel)
        described = await node.Describe(node_pb2.DescribeRequest())
        assert described.name == "n0"
        assert described.kind == mesh_pb2.NODE_KIND_SATELLITE
        assert described.address == "100.64.0.1"
        assert described.attached
        position = await node.GetPosition(node_pb2.GetPositionRequest(t_s=5.0))
        assert position.position_km.y == pytest.approx(37.5)
        assert position.altitude_km == pytest.approx(621.96, abs=0.01)
        assert position.time.ToJsonString() == "2026-01-01T00:00:05Z"
        t0_s = world.orchestrator.update.clock.t0_monotonic_ns / 1e9
        before_s = time.monotonic() - t0_s
        now = await node.GetPosition(node_pb2.GetPositionRequest())
        assert before_s <= now.t_s <= time.monotonic() - t0_s
        neighbours = await node.ListNeighbours(node_pb2.ListNeighboursRequest())
        assert [neighbour.name for neighbour in neighbours.neighbours] == ["other"]
        forecast = await node.GetForecast(node_pb2.GetForecastRequest())
        assert [contact.end_t_s for contact in forecast.contacts] == [900.0]
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await node.GetPosition(node_pb2.GetPositionRequest(t_s=1e6))
        assert error.value.code() == grpc.StatusCode.OUT_OF_RANGE


async def test_echo_gives_back_what_was_asked_for(world: World) -> None:
    await world.spawn("n0")
    async with world.channel("n0") as channel:
        node = node_pb2_grpc.NodeServiceStub(channel)
        assert (await node.Echo(node_pb2.EchoRequest(payload=b"abc"))).payload == b"abc"
        assert (await node.Echo(node_pb2.EchoRequest(payload=b"abc", reply_bytes=0))).payload == b""
        assert (await node.Echo(node_pb2.EchoRequest(payload=b"abc", reply_bytes=5))).payload == b"abc\0\0"
        million = bytes(1_048_576)
        assert (await node.Echo(node_pb2.EchoRequest(payload=million))).payload == million
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await node.Echo(node_pb2.EchoRequest(reply_bytes=4_000_001))
        assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_health_and_reflection_answer(world: World) -> None:
    await world.spawn("n0")
    for service in ("", "skyrack.v1.NodeService", "mesh"):
        assert await health(world, "n0", service) == SERVING
    async with world.channel("n0") as channel:
        reflection: Any = reflection_pb2_grpc.ServerReflectionStub
        stub = reflection(channel)
        call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        names = [service.name async for answer in call for service in answer.list_services_response.service]
    assert {"skyrack.v1.NodeService", "grpc.health.v1.Health"} <= set(names)


async def test_a_node_is_init_and_sees_only_itself(world: World) -> None:
    await world.spawn("n0")
    await world.spawn("n1")
    assert (await inside(world, "n0", "cat", "/proc/1/comm")).strip() == "sky n0"
    processes = await python_inside(
        world, "n0", "import os; print(*(p for p in os.listdir('/proc') if p.isdigit()))"
    )
    assert len(processes.split()) == 2, "node and the command itself"
    assert (await inside(world, "n0", "hostname")).strip() == "n0"


async def test_the_network_of_a_node_is_mesh0_alone(world: World) -> None:
    await world.spawn("n0")
    show = """
import socket, struct, fcntl
from pathlib import Path
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
ask = lambda number: fcntl.ioctl(s, number, struct.pack("16s24x", b"mesh0"))
read = lambda path: Path("/proc/sys/net/ipv4", path).read_text().split()
print(*sorted(name for _, name in socket.if_nameindex() if name in ("lo", "mesh0", "eth0")))
print(socket.inet_ntoa(ask(0x8915)[20:24]), *struct.unpack_from("=i", ask(0x8921), 16), *read("ip_default_ttl"))
print(struct.unpack_from("=i", ask(0x8942), 16)[0], *read("ping_group_range"))
s.connect(("100.127.0.1", 9)); print(s.getsockname()[0])
print(len(Path("/proc/net/if_inet6").read_text().splitlines()) if Path("/proc/net/if_inet6").exists() else 1)
"""
    names, sizes, queue, source, inet6 = (await python_inside(world, "n0", show)).splitlines()
    assert names == "lo mesh0"
    assert sizes == "100.64.0.1 1500 255"
    assert queue.split()[0] == "2000"
    assert queue.split()[1:] in (["0", "2147483647"], ["0", "0"])
    assert source == "100.64.0.1"
    assert int(inet6) <= 1, "mesh0 has a link-local address"


async def test_names_of_all_nodes_resolve_and_additions_are_seen(world: World) -> None:
    mounts = mounts_here()
    await world.spawn("n0")
    resolve = "import socket, sys; print(socket.gethostbyname(sys.argv[1]))"
    command = (sys.executable, "-c", resolve)
    assert (await inside(world, "n0", *command, "n2")).strip() == "100.64.0.3"
    with (world.socket_dir / "hosts").open("a") as hosts:
        hosts.write("100.64.0.77 late\n")
    assert (await inside(world, "n0", *command, "late")).strip() == "100.64.0.77"
    assert await inside(world, "n0", "cat", "/etc/resolv.conf") == ""
    write = "import errno\ntry: open('/etc/hosts', 'a')\nexcept OSError as e: print(errno.errorcode[e.errno])"
    assert (await python_inside(world, "n0", write)).strip() == "EROFS", "a guest can rename everybody"
    assert mounts_here() == mounts, "a mount leaked to the host"


async def test_two_nodes_talk_by_name_over_the_mesh(world: World) -> None:
    await world.spawn("n0")
    await world.spawn("n1")
    call = """
import grpc
from skyrack.v1 import node_pb2, node_pb2_grpc
with grpc.insecure_channel("n1:50051") as channel:
    reply = node_pb2_grpc.NodeServiceStub(channel).Echo(node_pb2.EchoRequest(payload=bytes(300_000)), timeout=60)
print(reply.node, len(reply.payload))
"""
    assert (await python_inside(world, "n0", call)).split() == ["n1", "300000"]
    assert 1500 < world.fabric.largest_packet_bytes <= 20_000, "super-packets of at most gso_max_bytes"
    metrics = await scrape(world.socket_dir, "n1")
    assert metrics['skyrack_node_echo_requests_total{node="n1"}'] == 1
    assert metrics['skyrack_node_mesh_bytes_total{direction="received",node="n1"}'] > 300_000


async def test_without_offload_no_packet_is_larger_than_the_mtu(world: World) -> None:
    await world.spawn("n0", gso_max_bytes=0, mtu=9000)
    await world.spawn("n1", gso_max_bytes=0, mtu=9000)
    send = "import socket; socket.create_connection(('n1', 50051), 60).sendall(bytes(100_000))"
    await python_inside(world, "n0", send)
    await eventually(lambda: world.fabric.largest_packet_bytes == 9000, "a full packet passes")


async def test_a_node_attaches_again_to_a_new_fabric_with_the_same_device(world: World) -> None:
    await world.spawn("n0")
    await world.spawn("n1")
    device = "import socket; print(socket.if_nametoindex('mesh0'))"
    before = await python_inside(world, "n0", device)
    world.fabric.stop()
    for name in ("n0", "n1"):
        await health_becomes(world, name, "mesh", NOT_SERVING)
    assert await health(world, "n0") == SERVING
    world.fabric.start()
    await eventually(lambda: len(world.fabric.hellos) == 4, "both attach again")
    await health_becomes(world, "n0", "mesh", SERVING)
    assert await python_inside(world, "n0", device) == before
    connect = "import socket; socket.create_connection(('n1', 50051), 60); print('reached')"
    assert (await python_inside(world, "n0", connect)).strip() == "reached"


async def test_a_node_joins_again_when_the_orchestrator_returns(world: World) -> None:
    await world.spawn("n0")
    await world.orchestrator.stop()
    await eventually(
        lambda: any(line["msg"] == "not joined" for line in log_of(world, "n0")), "the loss is logged"
    )
    await world.orchestrator.start()
    await eventually(lambda: world.orchestrator.joined == ["n0", "n0"], "the node joins again")


async def test_a_killed_node_ends_its_attach_socket_and_everything_in_it(world: World) -> None:
    await world.spawn("n0")
    daemon = "import os, signal\nif os.fork() == 0:\n    os.setsid()\n    os.close(1)\n    signal.pause()"
    await python_inside(world, "n0", daemon)
    pid = pid_of(world, "n0")
    status = "import pathlib; print(*(p.name for p in pathlib.Path('/proc').glob('[0-9]*') if p.name != '1'))"
    assert len((await python_inside(world, "n0", status)).split()) == 2, (
        "the daemon lives, with init as parent"
    )
    in_namespace = [p for p in os.listdir("/proc") if p.isdigit() and same_pid_namespace(int(p), pid)]
    assert len(in_namespace) == 2
    os.kill(pid, signal.SIGKILL)
    await eventually(lambda: world.fabric.ended == ["n0"], "the attach socket ends")
    await eventually(lambda: bool(world.zygote.find("exited", "n0")), "the zygote reports it")
    assert world.zygote.find("exited", "n0")[0]["status"] == {"signal": 9}
    assert not any(alive(int(p)) for p in in_namespace), "a guest outlived its satellite"
    world.orchestrator.joined.clear()
    await world.spawn("n0")


def same_pid_namespace(a: int, b: int) -> bool:
    try:
        return os.readlink(f"/proc/{a}/ns/pid") == os.readlink(f"/proc/{b}/ns/pid")
    except OSError:
        return False


async def test_a_node_hands_out_its_network_without_anybody_entering_it(world: World) -> None:
    await world.spawn("n0")
    await world.spawn("n1")
    with connect_node(world.socket_dir, "n0") as connection, connect_node(world.socket_dir, "n0"):
        handed = receive_node(connection)
        assert (handed.name, handed.address) == ("n0", "100.64.0.1")
        with socket.socket(fileno=handed.ping) as ping:
            assert (ping.type, ping.proto) == (socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
            ping.settimeout(PATIENCE_S)
            request = struct.pack("!BBHHH", 8, 0, 0, 0, 7) + b"hello"
            before = read_device_counters(os.pread(handed.net_dev, 65_536, 0).decode())
            ping.sendto(request, ("100.64.0.2", 0))
            loop = asyncio.get_running_loop()
            answer, sender = await loop.run_in_executor(None, ping.recvfrom, 99)
            assert sender == ("100.64.0.2", 0)
            assert (answer[0], answer[6:]) == (0, request[6:])
            after = read_device_counters(os.pread(handed.net_dev, 65_536, 0).decode())
            assert before is not None
            assert after is not None
            assert after[9] > before[9], "a counter that does not count"
        assert len(os.pread(handed.schedstat, 99, 0).split()) == 3
        os.kill(pid_of(world, "n0"), signal.SIGKILL)
        assert await asyncio.to_thread(connection.recv, 1) == b""
        os.close(handed.net_dev)
        os.close(handed.schedstat)
    await eventually(lambda: bool(world.zygote.find("exited", "n0")), "n0 exits")
    await world.spawn("n0")
    await eventually(lambda: world.orchestrator.joined.count("n0") == 2, "n0 joins again")
    with connect_node(world.socket_dir, "n0") as connection:
        again = receive_node(connection)
        for descriptor in (again.ping, again.net_dev, again.schedstat):
            os.close(descriptor)


def is_zombie(pid: str) -> bool:
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


async def test_orphans_are_reaped_by_the_node(world: World) -> None:
    await world.spawn("n0")
    orphan = "import os\nif os.fork() == 0: os._exit(0)"
    for _ in range(3):
        await python_inside(world, "n0", orphan)
    pid = pid_of(world, "n0")

    def zombies() -> list[str]:
        mine = (p for p in os.listdir("/proc") if p.isdigit() and same_pid_namespace(int(p), pid))
        return [p for p in mine if is_zombie(p)]

    await eventually(lambda: not zombies(), "no zombie is left")


async def test_sigterm_is_a_clean_exit_even_with_calls_open(world: World) -> None:
    await world.spawn("n0")
    async with world.channel("n0") as channel:
        watch = health_stub(channel).Watch(health_pb2.HealthCheckRequest())
        states = watch.__aiter__()
        assert (await anext(states)).status == SERVING
        world.zygote.send(op="signal", name="n0", signal=15)
        assert (await anext(states)).status == NOT_SERVING
    await eventually(lambda: bool(world.zygote.find("exited", "n0")), "the node ends")
    assert world.zygote.find("exited", "n0")[0]["status"] == {"code": 0}
    assert list((world.socket_dir / "nodes").iterdir()) == [], "a socket file is left"
    assert log_of(world, "n0")[-1]["msg"] == "stopping"


async def test_sigterm_ends_a_node_that_never_attached(world: World) -> None:
    world.fabric.stop()
    world.zygote.send(op="spawn", config=world.zygote.config("n0"))
    metrics = world.socket_dir / "nodes" / "n0.metrics.sock"
    await eventually(metrics.exists, "the node runs")
    world.zygote.send(op="signal", name="n0", signal=15)
    await eventually(lambda: bool(world.zygote.find("exited", "n0")), "the node ends")
    assert world.zygote.find("exited", "n0")[0]["status"] == {"code": 0}
    assert world.orchestrator.joined == [], "it joined without being attached"
    world.fabric.start()


async def test_the_end_of_the_zygotes_socket_ends_all_nodes(world: World) -> None:
    await world.spawn("n0")
    await world.spawn("n1")
    pids = [pid_of(world, name) for name in ("n0", "n1")]
    world.zygote.writer.close()
    assert await world.zygote.process.wait() == 0
    assert not any(map(alive, pids))


async def test_nodes_die_with_a_killed_zygote(world: World) -> None:
    await world.spawn("n0")
    pid = pid_of(world, "n0")
    world.zygote.process.kill()
    await eventually(lambda: not alive(pid), "the node dies")
    await eventually(lambda: world.fabric.ended == ["n0"], "its lasers go dark")


async def test_a_full_disk_does_not_end_a_node(world: World) -> None:
    await world.spawn("n0", log_file="/dev/full")
    metrics = await scrape(world.socket_dir, "n0")
    assert metrics['skyrack_node_log_errors_total{node="n0"}'] > 0
    assert await health(world, "n0") == SERVING


async def test_metrics_are_complete(world: World) -> None:
    await world.spawn("n0")
    metrics = await scrape(world.socket_dir, "n0")
    names = {key.partition("{")[0].removeprefix("skyrack_node_") for key in metrics}
    assert {
        "attached",
        "attaches_total",
        "cpu_seconds_total",
        "echo_bytes_total",
        "info",
        "joined",
        "mesh_bytes_total",
        "mesh_drops_total",
        "mesh_packets_total",
        "neighbours",
        "resident_memory_bytes",
        "run_delay_seconds_total",
        "updates_total",
        "uptime_seconds",
    } <= names
    assert all('node="n0"' in key for key in metrics)
    assert metrics['skyrack_node_resident_memory_bytes{node="n0"}'] > 10_000_000


async def test_bad_requests_are_answered_and_harm_nobody(world: World) -> None:
    await world.spawn("n0")
    zygote = world.zygote
    zygote.writer.write(
        b'garbage\n[]\n{"op":"fly"}\n{"op":"signal","name":"nobody","signal":9}\n{"op":"spawn"}\n'
    )
    await eventually(lambda: len([e for e in zygote.events if e["event"] == "error"]) == 5, "five errors")
    zygote.send(op="spawn", config=zygote.config("n1", mtu=1))
    await eventually(lambda: bool(zygote.find("failed", "n1")), "the reason comes back")
    assert "mtu" in zygote.find("failed", "n1")[0]["error"]
    zygote.send(op="spawn", config=zygote.config("n0"))
    await eventually(lambda: bool(zygote.find("failed", "n0")), "a second n0 is refused")
    await world.spawn("n1")
    assert await health(world, "n0") == SERVING


async def test_a_node_that_cannot_start_says_why(world: World) -> None:
    world.zygote.send(op="spawn", config=world.zygote.config("n0", socket_dir="/nowhere"))
    await eventually(lambda: bool(world.zygote.find("exited", "n0")), "it ends")
    assert world.zygote.find("exited", "n0")[0]["status"] == {"code": 1}
    assert "/nowhere" in log_of(world, "n0")[-1]["fields"]["exception"]


async def test_one_node_runs_directly_in_a_namespace_that_exists(world: World) -> None:
    config = world.zygote.config("n0", isolate=False, kind="ground")
    launcher = (*IN_USER_NAMESPACE, "--mount-proc", "--net")
    process = await asyncio.create_subprocess_exec(
        *launcher, sys.executable, "-m", "skyrack.groundstation", "--config", "-", stdin=subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(config).encode())
    process.stdin.close()
    await eventually(lambda: world.orchestrator.joined == ["n0"], "it joins")
    os.kill(pid_of(world, "n0"), signal.SIGTERM)
    assert await process.wait() == 0


def test_a_configuration_that_cannot_be_used_is_a_usage_error(tmp_path: Path) -> None:
    path = tmp_path / "node.json"
    path.write_text('{"name": "n0"}')
    command = [sys.executable, "-m", "skyrack.node", "--config", str(path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "node.json" in result.stderr
    assert "Traceback" not in result.stderr


async def listen(call: Any, heard: list[Any]) -> None:
    async for response in call:
        heard.append(response)


async def test_a_transfer_is_relayed_with_its_progress_its_refusal_and_its_end(world: World) -> None:
    await world.spawn("n0")
    async with world.channel("n0") as channel:
        stub = transfer_pb2_grpc.MeshServiceStub(channel)
        ask = transfer_pb2.TransferRequest
        news = [response.progress async for response in stub.Transfer(ask(destination="other", bytes=5))]
        assert [progress.delivered_bytes for progress in news] == [0, 5]
        assert news[-1].state == transfer_pb2.TRANSFER_STATE_DONE
        with pytest.raises(grpc.aio.AioRpcError, match="no node is called 'nobody'") as refused:
            await stub.Transfer(ask(destination="nobody", bytes=5)).read()
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND
        call = stub.Transfer(ask(destination="ever", bytes=5))
        await call.read()
        call.cancel()
        await eventually(lambda: world.orchestrator.cancelled == ["n0"], "the orchestrator hears of it")
        for timeout_s in (0.2, 2.0, 20.0, 60.0):  # more for a host that takes as long to begin
            heard: list[Any] = []
            with pytest.raises(grpc.aio.AioRpcError) as ended:
                await listen(stub.Transfer(ask(destination="ever", bytes=5), timeout=timeout_s), heard)
            assert ended.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            if heard:
                break
        assert heard
        await eventually(lambda: len(world.orchestrator.cancelled) >= 2, "a deadline cancels as well")


@pytest.mark.parametrize(
    ("destination", "said"),
    [
        ("ever", "the orchestrator ended: 0 of 5 bytes had arrived; ask for the rest"),
        ("stored", "the orchestrator ended, and with it the bundle: 5 bytes were stored at p0s03; ask again"),
    ],
)
async def test_the_end_of_the_orchestrator_ends_a_transfer_and_says_what_is_left(
    world: World, destination: str, said: str
) -> None:
    await world.spawn("n0")
    async with world.channel("n0") as channel:
        stub = transfer_pb2_grpc.MeshServiceStub(channel)
        call = stub.Transfer(transfer_pb2.TransferRequest(destination=destination, bytes=5))
        await call.read()
        await world.orchestrator.stop()
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await call.read()
        assert (ended.value.code(), ended.value.details()) == (grpc.StatusCode.UNAVAILABLE, said)
