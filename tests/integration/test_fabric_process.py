"""The real fabric process between real kernels: attaching, dying, answering, carrying, refusing."""

import asyncio
import fcntl
import hashlib
import os
import random
import select
import signal
import socket
import struct
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skyrack.orchestrator.fabric.engine import NO_LINK
from skyrack.v1 import attach

from .mesh_world import PATIENCE_S, MeshWorld, Row, address, open_row, until

pytestmark = pytest.mark.mesh

ETH_P_IP = 0x0800
PACKET_VNET_HDR = 15
SOL_PACKET = 263
IP_RECVERR = 11


@pytest.fixture(autouse=True)
def _tun() -> None:
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        pytest.skip("needs a writable /dev/net/tun")


def stands_still(pid: int) -> bool:
    """Whether every thread of a process is stopped: after SIGSTOP they answer for a moment yet."""
    stats = [(thread / "stat").read_text() for thread in Path(f"/proc/{pid}/task").iterdir()]
    return all(stat.rpartition(") ")[2].startswith("T") for stat in stats)


def resident_kb(pid: int) -> dict[str, int]:
    """Memory of a process by kind, as the kernel adds it up."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {line.split(":")[0]: int(line.split()[1]) for line in lines}


class Pinger:
    """ICMP echo from one node, with raw sockets."""

    def __init__(self, world: MeshWorld, node: int) -> None:
        self._socket = world.socket(node, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self._number = 0

    def __enter__(self) -> "Pinger":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ping(
        self, to: int, *, ttl: int = 64, wait_s: float = PATIENCE_S, size: int = 36
    ) -> tuple[str, int, float] | None:
        """(sender, ICMP type, seconds) of what comes back; None when nothing does."""
        self._number += 1
        body = struct.pack("!BBHHH", 8, 0, 0, 0x5A5A, self._number) + bytes(size)
        total = sum(struct.unpack(f"!{len(body) // 2}H", body))
        total = (total & 0xFFFF) + (total >> 16)
        body = body[:2] + struct.pack("!H", ~total & 0xFFFF) + body[4:]
        self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
        sent = time.monotonic()
        self._socket.sendto(body, (address(to), 0))
        while (left := sent + wait_s - time.monotonic()) > 0:
            if not select.select([self._socket], [], [], left)[0]:
                return None
            data = self._socket.recv(65535)
            kind = data[20]
            mine = data[20:] if kind in (0, 8) else data[48:]
            if kind != 8 and mine[4:8] == body[4:8]:
                return socket.inet_ntoa(data[12:16]), kind, time.monotonic() - sent
        return None


async def counters(world: MeshWorld) -> dict[str, Any]:
    return await world.fabric.counters(links=True)


async def read_more(world: MeshWorld, before: int) -> None:
    """Wait until the fabric has read more packets of nodes than it had."""
    for _ in range(10_000):
        if (await counters(world))["ingress_packets"] > before:
            return
    raise AssertionError("nothing is read")


async def dropped(world: MeshWorld, why: str) -> None:
    """Wait until a packet was: who sent it may be ahead of the fabric."""
    deadline = time.monotonic() + PATIENCE_S
    while not (await counters(world))["drops"][why]:
        assert time.monotonic() < deadline, f"none is dropped for {why}"
        await asyncio.sleep(0.01)


async def test_ping_takes_the_computed_time_and_not_much_more() -> None:
    async with open_row(Row(hops=10, delay_s=0.005)) as world:
        computed_s, times_s = 2 * 10 * (0.005 + 64 * 8 / 10e9), list[float]()
        deadline = time.monotonic() + PATIENCE_S
        with Pinger(world, 0) as pinger:
            while len(times_s) < 20 or min(times_s) > computed_s + 0.002:  # a busy host makes some late
                answer = pinger.ping(10)
                assert answer is not None
                assert answer[:2] == (address(10), 0)
                times_s.append(answer[2])
                assert time.monotonic() < deadline, f"none takes {computed_s} s: {sorted(times_s)[:5]}"
    assert min(times_s) >= computed_s - 1e-6, "faster than light"


async def test_every_satellite_on_the_way_answers_by_time_to_live_and_by_echo() -> None:
    async with open_row(Row(hops=5)) as world:
        with Pinger(world, 0) as pinger:
            way = [pinger.ping(5, ttl=ttl) for ttl in range(1, 7)]
            assert [(a[0], a[1]) for a in way if a] == [
                *((address(i), 11) for i in range(1, 5)),
                (address(5), 0),
                (address(5), 0),
            ]
            bare = pinger.ping(3)
            assert bare is not None
            assert bare[:2] == (address(3), 0)
            assert bare[2] >= 2 * 3 * 0.001
            large = pinger.ping(3, size=4000)
            assert large is not None, "a ping in fragments"


async def test_udp_to_a_satellite_without_processes_is_refused_as_by_a_kernel() -> None:
    async with open_row(Row(hops=2)) as world:
        with world.socket(0, socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.connect((address(1), 7))
            udp.send(b"hello")
            with pytest.raises(ConnectionRefusedError):
                udp.recv(100)


async def test_what_a_nodes_own_satellite_cannot_send_is_an_error_its_kernel_believes() -> None:
    # A kernel drops packets that come from outside under its own address: the error must have another one.
    async with open_row(Row(hops=2)) as world:
        with world.socket(0, socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.settimeout(PATIENCE_S)
            udp.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
            udp.connect(("100.64.9.9", 7))
            udp.send(b"hello")
            with pytest.raises(OSError, match="No route to host"):
                udp.recv(100)


async def test_a_node_that_is_killed_goes_dark_and_its_kernel_answers_no_more() -> None:
    async with open_row(Row(hops=2)) as world:
        with Pinger(world, 0) as pinger:
            assert pinger.ping(2) is not None
            await world.holder(2).kill()
            await until(lambda: ("dark", 2) in [(e["op"], e["node"]) for e in world.events], "dark")
            assert pinger.ping(2, wait_s=0.05) is None
        await dropped(world, "dark")


async def test_what_was_due_at_a_node_before_it_died_has_reached_it_however_late_the_fabric_is() -> None:
    """The fabric stands still from before a request is due until after the node's end, as on a starved host."""
    async with open_row(Row(hops=2, delay_s=0.1)) as world:
        with Pinger(world, 0) as pinger:
            before = (await counters(world))["ingress_packets"]
            asking = asyncio.create_task(asyncio.to_thread(pinger.ping, 2, wait_s=PATIENCE_S))
            await read_more(world, before)
            os.kill(world.fabric.pid, signal.SIGSTOP)
            await until(lambda: stands_still(world.fabric.pid), "it stands still")
            due_s = world.now_s() + 0.2
            await until(lambda: world.now_s() > due_s, "the request is due")
            await world.holder(2).kill()
            os.kill(world.fabric.pid, signal.SIGCONT)
            assert await asking is not None
        await until(lambda: ("dark", 2) in [(e["op"], e["node"]) for e in world.events], "dark")
        assert world.events[-1]["at"] > due_s
        assert any(e["since"] < due_s < e["at"] for e in world.held_up), "it says that it was held up"


async def test_a_node_that_comes_back_is_lit_again_and_reached_again() -> None:
    async with open_row(Row(hops=2)) as world:
        await world.holder(2).kill()
        await until(lambda: ("dark", 2) in [(e["op"], e["node"]) for e in world.events], "dark")
        back = await world.add("n2")
        await until(lambda: back.attached == 1, "attached again")
        await until(lambda: world.events[-1] | {"at": 0} == {"op": "lit", "node": 2, "at": 0}, "lit")
        with Pinger(world, 0) as pinger:
            assert pinger.ping(2) is not None


async def test_the_newest_process_of_a_name_holds_it() -> None:
    async with open_row(Row(hops=1)) as world:
        first = world.holder(1)
        second = await world.add("n1")
        await until(lambda: second.attached > 0, "the second attaches")
        # Each is told by the end of its socket, and takes the name back: until one of them is gone.
        await until(lambda: first.attached > 1, "the first attaches again")
        await first.kill()
        with Pinger(world, 0) as pinger:
            assert await asyncio.to_thread(lambda: any(pinger.ping(1, wait_s=0.5) for _ in range(120)))


@pytest.mark.parametrize("name", ["n1", "nobody"], ids=["bare", "unknown"])
async def test_names_without_a_place_are_refused_with_a_reason(name: str) -> None:
    async with open_row(Row(hops=2)) as world:
        holder = await world.add(name)
        await until(lambda: any("refused" in said for said in holder.said), "refused")
        assert name in next(said["refused"] for said in holder.said if "refused" in said)
        with Pinger(world, 0) as pinger:
            assert pinger.ping(2) is not None


async def test_nonsense_on_the_attach_socket_is_refused_and_harms_nobody(tmp_path: Path) -> None:
    async with open_row(Row(hops=1)) as world:
        path = str(world.directory / "fabric.sock")
        with (tmp_path / "file").open("w") as plain:
            for message, fds in (
                (b"\xff\xfe", []),
                (b'{"v":1,"name":"n1"}', []),
                (b'{"v":2,"name":"n1"}', [plain.fileno()]),
                (b"[" * 4000, [plain.fileno()]),
            ):
                with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
                    peer.settimeout(PATIENCE_S)
                    peer.connect(path)
                    socket.send_fds(peer, [message], fds)
                    assert isinstance(attach.unpack_reply(peer.recv(4096)), attach.Refused)
                    assert peer.recv(4096) == b""
            # A descriptor that is no TUN at all: the node is dark again at once, the fabric goes on.
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
                peer.settimeout(PATIENCE_S)
                peer.connect(path)
                attach.send_hello(peer, attach.Hello("n1"), plain.fileno())
                assert isinstance(attach.unpack_reply(peer.recv(4096)), attach.Refused)
        assert (await counters(world))["run_s"] > 0


async def test_one_socket_cannot_hold_two_names() -> None:
    async with open_row(Row(hops=2, inhabited=(0, 1, 2))) as world:
        await world.holder(1).kill()
        await world.holder(2).kill()
        await until(lambda: sum(e["op"] == "dark" for e in world.events) == 2, "both dark")
        world.events.clear()
        spare = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        try:
            fcntl.ioctl(spare, 0x400454CA, struct.pack("16sH22x", b"", 0x5001))
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
                peer.settimeout(PATIENCE_S)
                peer.connect(str(world.directory / "fabric.sock"))
                attach.send_hello(peer, attach.Hello("n1"), spare)
                assert isinstance(attach.unpack_reply(peer.recv(4096)), attach.Accepted)
                attach.send_hello(peer, attach.Hello("n2"), spare)
        finally:
            os.close(spare)
        await until(lambda: len(world.events) == 2, "lit and dark", world.events)
        assert [(e["op"], e["node"]) for e in world.events] == [("lit", 1), ("dark", 1)]


async def test_no_word_of_the_fabric_is_lost_while_the_orchestrator_is_busy() -> None:
    async with open_row(Row(hops=1)) as world:
        loop, control = asyncio.get_running_loop(), world.fabric._control
        assert control is not None
        await world.holder(1).kill()
        loop.remove_reader(control)
        spare = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        n = 1500
        try:
            fcntl.ioctl(spare, 0x400454CA, struct.pack("16sH22x", b"", 0x5001))
            for _ in range(n):
                with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
                    peer.settimeout(PATIENCE_S)
                    peer.connect(str(world.directory / "fabric.sock"))
                    attach.send_hello(peer, attach.Hello("n1"), spare)
                    assert isinstance(attach.unpack_reply(peer.recv(4096)), attach.Accepted)
        finally:
            os.close(spare)
        loop.add_reader(control, world.fabric._receive)
        await until(lambda: sum(e["op"] == "lit" for e in world.events) >= n + 2, "every lit is told")
        await until(lambda: world.events[-1]["op"] == "dark", "the last word is dark")


async def test_nodes_attach_again_to_a_fabric_that_was_restarted_and_connections_survive() -> None:
    async with open_row(Row(hops=2)) as world:
        client, server = tcp_pair(world, 0, 2)
        with client, server:
            client.sendall(b"before")
            assert server.recv(100) == b"before"
            os.kill(world.fabric.pid, 9)
            await world.fabric.wait()
            assert await world.fabrics.end() == {"status": -9}
            await world.start_fabric()
            await until(lambda: all(h.attached == 2 for h in world.holders), "both attach again")
            client.sendall(b"after")
            assert server.recv(100) == b"after"


def tcp_pair(world: MeshWorld, src: int, dst: int) -> tuple[socket.socket, socket.socket]:
    """A connection through the mesh: (client at src, server at dst)."""
    with world.socket(dst, socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.bind((address(dst), 0))
        listener.listen()
        client = world.socket(src, socket.AF_INET, socket.SOCK_STREAM)
        client.connect(listener.getsockname())
        server, _ = listener.accept()
        server.settimeout(PATIENCE_S)
        return client, server


def transfer(client: socket.socket, server: socket.socket, data: bytes) -> str:
    """Send all of `data`; the hash of what came out."""
    digest, got, sent = hashlib.sha256(), 0, 0
    client.setblocking(False)
    while got < len(data):
        readable, writable, _ = select.select([server], [client] if sent < len(data) else [], [], PATIENCE_S)
        assert readable or writable, f"stalled after {got} of {len(data)} bytes"
        if writable:
            sent += client.send(data[sent : sent + (1 << 20)])
        if readable:
            part = server.recv(1 << 20)
            digest.update(part)
            got += len(part)
    return digest.hexdigest()


@pytest.mark.parametrize(
    "row",
    [
        Row(hops=5, delay_s=0.0005, rate_bps=2e9, queue_bytes=200_000, loss_ratio=0.002),
        Row(hops=3, delay_s=0.0005, rate_bps=300e6, queue_bytes=20_000),
        Row(hops=2, delay_s=0.0005, loss_ratio=0.01, mtu=576),
        Row(hops=2, delay_s=0.0005, loss_ratio=0.005, mtu=9000),
        Row(hops=2, delay_s=0.0005, loss_ratio=0.005, gso_max_bytes=0),
    ],
    ids=["loss", "overflow", "small-mtu", "large-mtu", "no-offload"],
)
async def test_a_stream_arrives_intact_where_trains_are_split_and_packets_lost(row: Row) -> None:
    data = random.Random(5).randbytes(6 << 20)
    async with open_row(row) as world:
        client, server = tcp_pair(world, 0, row.hops)
        with client, server:
            got = await asyncio.to_thread(transfer, client, server, data)
        counted = await counters(world)
    assert got == hashlib.sha256(data).hexdigest()
    assert counted["drops"]["loss" if row.loss_ratio else "queue"] > 0
    assert counted["drops"]["malformed"] == counted["drops"]["unread"] == 0


async def test_counters_account_for_every_packet_that_came_in() -> None:
    row = Row(hops=3, delay_s=0.0005, rate_bps=1e9, queue_bytes=30_000, loss_ratio=0.001)
    async with open_row(row) as world:
        client, server = tcp_pair(world, 0, 3)
        with client, server:
            await asyncio.to_thread(transfer, client, server, bytes(4 << 20))

        seen: dict[str, Any] = {}

        async def settled() -> bool:
            seen.update(await counters(world))
            return bool(seen["ingress_packets"] == seen["packets"] + sum(seen["drops"].values()))

        deadline = time.monotonic() + PATIENCE_S
        while not await settled():
            assert time.monotonic() < deadline, f"packets vanished: {seen}"
            await asyncio.sleep(0.01)
    assert seen["bytes"] < seen["ingress_bytes"]
    links = seen["links"]
    assert sum(links["dropped_queue"]) == seen["drops"]["queue"]
    assert sum(links["dropped_loss"]) == seen["drops"]["loss"]
    assert sum(seen["lateness"]["counts"]) == seen["packets"]
    # Forwards and back, the last links' packets are the delivered ones.
    assert links["packets"][4] + links["packets"][1] == seen["packets"]


async def test_a_flood_into_a_full_queue_is_dropped_and_counted_and_the_mesh_goes_on() -> None:
    async with open_row(Row(hops=3, rate_bps=20e6, queue_bytes=30_000)) as world:
        with world.socket(0, socket.AF_INET, socket.SOCK_DGRAM) as udp:
            deadline = time.monotonic() + PATIENCE_S
            counted = await counters(world)
            while counted["drops"]["queue"] <= 1000:
                assert time.monotonic() < deadline, f"not dropped: {counted['drops']}"
                for _ in range(1000):
                    udp.sendto(bytes(1400), (address(3), 9))
                counted = await counters(world)
        # At most what a 20 Mbit/s link and its queue let through.
        assert counted["links"]["bytes"][0] <= 20e6 / 8 * counted["run_s"]
        with Pinger(world, 0) as pinger:
            assert await asyncio.to_thread(lambda: any(pinger.ping(3, wait_s=1.0) for _ in range(60)))


async def test_garbage_written_into_the_device_is_dropped_and_harms_nobody() -> None:
    draw = random.Random(11)
    async with open_row(Row(hops=2)) as world:
        with world.socket(0, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP)) as raw:
            raw.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
            sent = 0
            for _ in range(3000):
                body = draw.randbytes(draw.choice((0, 1, 19, 20, 21, 60, 500)))
                if draw.random() < 0.7:  # begins like a packet to the other end, perhaps as a train
                    head = struct.pack(
                        "!BBHHHBBH4s4s", 0x40 | draw.choice((0, 4, 5, 15)), 0, 20 + len(body), 1, 0,
                        draw.choice((0, 1, 255)), draw.choice((1, 6, 17)), 0,
                        socket.inet_aton(address(0)), socket.inet_aton(address(draw.choice((0, 1, 2, 99)))),
                    )  # fmt: skip
                    body = head + body
                gso, mss = draw.choice(((0, 0), (0, 0), (1, 1), (1, 8), (1, 400), (1, 65535), (0x81, 20)))
                start, offset = draw.choice(((0, 0), (20, 16), (20, 6), (60, 16)))
                vnet = struct.pack(
                    "=BBHHHH", draw.choice((0, 1)), gso, draw.choice((0, 40)), mss, start, offset
                )
                try:
                    raw.sendto(vnet + body, ("mesh0", ETH_P_IP))
                    sent += 1
                except OSError:
                    continue  # the kernel's own checks
                if sent % 50 == 0:
                    await asyncio.sleep(0.002)
        assert sent > 300
        deadline, counted = time.monotonic() + PATIENCE_S, await counters(world)
        while counted["drops"]["malformed"] + counted["drops"]["not_ipv4"] <= 50:  # the fabric may be behind
            assert time.monotonic() < deadline, f"taken for packets: {counted['drops']}"
            await asyncio.sleep(0.01)
            counted = await counters(world)
        with Pinger(world, 0) as pinger:
            assert await asyncio.to_thread(lambda: any(pinger.ping(2, wait_s=1.0) for _ in range(60)))


async def test_links_that_go_dark_at_an_instant_carry_nothing_after_it() -> None:
    async with open_row(Row(hops=2)) as world:
        with Pinger(world, 0) as pinger:
            assert pinger.ping(2) is not None
            world.set_delay(-1.0, world.now_s())
            await until(lambda: True, "sent")
            await counters(world)  # the answer comes after the order
            assert pinger.ping(2, wait_s=0.05) is None
            world.set_delay(0.004, world.now_s())
            await counters(world)
            answer = pinger.ping(2)
            assert answer is not None
            assert answer[2] >= 0.016


async def test_the_fabric_ends_with_its_orchestrator_and_leaves_no_process() -> None:
    async with open_row(Row(hops=1)) as world:
        pid = world.fabric.pid
        assert await world.fabrics.end() == {"status": 0}
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_memory_that_is_only_reserved_is_not_made_resident() -> None:
    """Locked as a whole it would be more than 100 MB: buffers of numpy's BLAS, stacks of threads."""
    async with open_row(Row()) as world:
        kb = resident_kb(world.fabric.pid)
    assert kb["Rss"] < 60_000
    if os.getuid() == 0:  # anybody else may lock a few MB at most
        assert kb["Locked"] > 10_000


async def test_parameters_of_a_link_change_in_place_and_end_again() -> None:
    async with open_row(Row(hops=2)) as world:
        arrays, links = world.fabric.arrays, list(range(4))
        with Pinger(world, 0) as pinger:
            assert pinger.ping(2) is not None
            arrays["extra_s"][0] = 0.05
            world.fabric.set_parameters(world.now_s(), links)
            await counters(world)  # the answer comes after the order
            delayed = pinger.ping(2)
            assert delayed is not None
            assert delayed[2] >= 0.054
            arrays["extra_s"][0] = -np.inf
            world.fabric.set_parameters(world.now_s(), links)
            await counters(world)
            assert pinger.ping(2, wait_s=0.05) is None
            await dropped(world, "link_down")
            arrays["extra_s"][0] = 0.0
            arrays["loss_ratio"][0] = 1.0
            world.fabric.set_parameters(world.now_s(), links)
            await counters(world)
            assert pinger.ping(2, wait_s=0.05) is None
            await dropped(world, "loss")
            arrays["loss_ratio"][0] = 0.0
            world.fabric.set_parameters(world.now_s(), links)
            seen = await counters(world)
            assert pinger.ping(2) is not None
    assert (seen["drops"]["link_down"], seen["drops"]["loss"]) == (1, 1)
    assert seen["links"]["packets"][0] >= 2, "counters go on"


async def test_nodes_are_darkened_by_order_and_lit_again_bare_or_inhabited() -> None:
    async with open_row(Row(hops=2)) as world:
        with Pinger(world, 0) as pinger:
            for node in (1, 2):
                world.fabric.set_lit(world.now_s(), [node], False)
                await counters(world)
                assert pinger.ping(2, wait_s=0.05) is None
                world.fabric.set_lit(world.now_s(), [node], True)
                await counters(world)
                assert pinger.ping(2) is not None


async def test_nodes_follow_new_routes_each_from_its_own_instant_on() -> None:
    async with open_row(Row(hops=2)) as world:
        with Pinger(world, 0) as pinger:
            assert pinger.ping(2) is not None
            table = np.full((2, 3), NO_LINK, np.uint32)
            table[0, 1] = 1  # back to node 0
            world.fabric.adopt_routes(np.array([np.inf, world.now_s(), np.inf]), table)
            await counters(world)
            answer = pinger.ping(2)
            assert answer is not None
            assert answer[:2] == (address(1), 3), "node 1 knows no way; node 0 does not know that"


async def test_what_the_fabric_has_is_read_back_as_of_an_instant_and_not_before() -> None:
    async with open_row(Row(hops=2)) as world:
        arrays, fabric = world.fabric.arrays, world.fabric
        in_time = False
        while not in_time:
            arrays["extra_s"][:2] = arrays["loss_ratio"][1] = arrays["corrupt_ratio"][1] = 0.0
            fabric.set_parameters(world.now_s(), [0, 1])
            fabric.set_lit(world.now_s(), [1], True)
            arrays["extra_s"][:2], arrays["loss_ratio"][1], arrays["corrupt_ratio"][1] = 0.25, 0.5, 0.125
            at_s = world.now_s() + 0.3
            fabric.set_parameters(at_s, [0, 1])
            fabric.set_lit(at_s, [1], False)
            arrays["extra_s"][:] = 7.0  # the memory is not what the fabric has
            before, lit_before, _ = await fabric.read(at_s - 0.1, [0, 1], [1])
            in_time = world.now_s() < at_s  # else the fabric may have been asked when that was over
        after, lit_after, _ = await fabric.read(at_s, [0, 1, 2, 99], [0, 1])
        assert before[:, 3].tolist() == [0.0, 0.0]
        assert after[:3, 3].tolist() == [0.25, 0.25, 0.0]
        assert after[1].tolist() == [8 / 10e9, 10e6 * 8 / 10e9, 0.5, 0.25, 0.125]
        assert np.isnan(after[3]).all(), "there is no link 99"
        assert (lit_before, lit_after) == ([True], [True, False])
        assert world.now_s() >= at_s


async def test_many_links_are_read_back_in_their_order() -> None:
    async with open_row(Row(hops=400)) as world:
        ids = list(range(800))
        world.fabric.arrays["extra_s"][:] = np.arange(800) / 1e4
        world.fabric.set_parameters(world.now_s(), ids)
        values, _, _ = await world.fabric.read(world.now_s(), ids[::-1])
        assert values[:, 3].tolist() == (np.arange(800) / 1e4)[::-1].tolist()
