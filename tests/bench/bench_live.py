"""The fabric between real kernels: datagrams, streams and queues, against a program that only copies."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import select
import shutil
import socket
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ..integration.mesh_world import MeshWorld, Row, address, open_row
from .iperf import Measured, available, enterable, stream

FLOOD_S = 2.0
DATAGRAM_BYTES = 1400
STREAM_S = 3.0
HOPS = (1, 5, 10)
FAST = Row(delay_s=0.002, rate_bps=100e9, queue_bytes=100e6)
HERE = Path(__file__).parent
TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Carried:
    """What came through in a while, and the CPU time of the program between."""

    per_s: float
    cpu_s_per_s: float


async def udp() -> None:
    """A flood of datagrams from one TUN device to another, 1,400 bytes each."""
    async with copy_loop(FAST) as (world, pid):
        floor = await _flood(world, pid, world.row.hops)
    print("  hops  delivered/s  CPU us each  loop busy   rate : copy loop   CPU : copy loop")
    print(
        f"  copy  {floor.per_s:11,.0f} {floor.cpu_s_per_s / floor.per_s * 1e6:12.2f} {floor.cpu_s_per_s:9.0%}"
    )
    for hops in HOPS:
        async with open_row(replace(FAST, hops=hops)) as world:
            got = await _flood(world, world.fabric.pid, hops)
        each, least = got.cpu_s_per_s / got.per_s, floor.cpu_s_per_s / floor.per_s
        print(
            f"  {hops:4}  {got.per_s:11,.0f} {each * 1e6:12.2f} {got.cpu_s_per_s:9.0%}"
            f" {got.per_s / floor.per_s:18.2f} {each / least:17.2f}"
        )


async def tcp() -> None:
    """One TCP stream over 5 hops of 2 ms, offload on, against the same through a program that only copies."""
    if not (available() and enterable()):
        print("  skipped: iperf3 and nsenter are needed")
        return
    print("   MTU  hops     Gbit/s  retransmits  loop CPU   rate : copy loop   congestion control")
    for mtu in (1500, 9000):
        row = replace(FAST, mtu=mtu)
        async with copy_loop(row) as (world, pid):
            floor, cpu = await _stream(world, pid)
        print(f"  {mtu:4}  copy {floor.bps / 1e9:10.2f} {'':12} {cpu:9.0%} {'':18}   {floor.control}")
        async with open_row(replace(row, hops=5)) as world:
            got, cpu = await _stream(world, world.fabric.pid)
        print(
            f"  {mtu:4}     5 {got.bps / 1e9:10.2f} {got.retransmits:12} {cpu:9.0%}"
            f" {got.bps / floor.bps:18.2f}   {got.control}"
        )


async def queue() -> None:
    """Random arrivals at a 5 Mbit/s link, load 0.8: each packet's delay against the queue of its send times.

    Not a test: the send times are the sender's, so every wait of the host shows.
    """
    row, size, service_s = replace(FAST, rate_bps=5e6, hops=1), 1250, 1250 * 8 / 5e6
    async with open_row(row) as world:
        with (
            world.socket(0, socket.AF_INET, socket.SOCK_DGRAM) as source,
            world.socket(1, socket.AF_INET, socket.SOCK_DGRAM) as sink,
        ):
            sink.bind((address(1), 9))
            sent, errors, measured, computed = await asyncio.to_thread(
                _poisson, source, sink, size, service_s
            )
        counted = (await world.fabric.counters(links=True))["links"]
    mean_s = counted["wait_s"][0] / counted["packets"][0]
    errors_us = [1e6 * error for error in sorted(errors)]
    print(
        f"  {sent} packets, mean wait {mean_s * 1e3:.3f} ms in the fabric,"
        f" {computed * 1e3:.3f} ms computed, {measured * 1e3:.3f} ms measured: ratio {measured / computed:.3f}"
    )
    print(
        f"  measured - computed delay: median {statistics.median(errors_us):.0f} us,"
        f" p90 {errors_us[int(0.9 * len(errors_us))]:.0f} us"
    )


def _poisson(
    source: socket.socket, sink: socket.socket, size: int, service_s: float
) -> tuple[int, list[float], float, float]:
    draw = random.Random(1).expovariate
    payload_bytes, n = size - 28, 2000
    sent_s: list[float] = []
    got_s: dict[int, float] = {}
    due = time.monotonic()
    while len(got_s) < n:
        now = time.monotonic()
        if len(sent_s) < n and now >= due:
            sent_s.append(now)
            source.sendto(struct.pack("!I", len(sent_s) - 1) + bytes(payload_bytes - 4), (address(1), 9))
            due += draw(0.8 / service_s)
        wait_s = max(0.0, due - time.monotonic()) if len(sent_s) < n else 1.0
        if select.select([sink], [], [], wait_s)[0]:
            data = sink.recv(2000)
            got_s[struct.unpack_from("!I", data)[0]] = time.monotonic()
        elif len(sent_s) == n:
            break
    errors, waits, computed_waits, free = [], [], [], 0.0
    for i, at in enumerate(sent_s):
        free = max(at, free) + service_s
        computed_waits.append(free - service_s - at)
        if i in got_s:
            errors.append(got_s[i] - free - FAST.delay_s)
            waits.append(got_s[i] - at - service_s - FAST.delay_s)
    return len(sent_s), errors, statistics.mean(waits), statistics.mean(computed_waits)


@contextlib.asynccontextmanager
async def copy_loop(row: Row) -> AsyncIterator[tuple[MeshWorld, int]]:
    """Two nodes with nothing but a copying program between them: (world, the program's pid)."""
    directory = Path(tempfile.mkdtemp(prefix="copy-"))
    world = MeshWorld(replace(row, hops=1), directory)
    program = await asyncio.create_subprocess_exec(
        sys.executable, str(HERE / "copy_loop.py"), str(directory / "fabric.sock"),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert program.stdout is not None
        await program.stdout.readline()
        await world.attach(["n0", "n1"])
        yield world, program.pid
    finally:
        await world.close()
        with contextlib.suppress(ProcessLookupError):
            program.kill()
        await program.wait()
        shutil.rmtree(directory)


async def _flood(world: MeshWorld, pid: int, last: int) -> Carried:
    with (
        world.socket(0, socket.AF_INET, socket.SOCK_DGRAM) as source,
        world.socket(last, socket.AF_INET, socket.SOCK_DGRAM) as sink,
    ):
        sink.bind((address(last), 9))
        received = await _flooder("receive", sink, FLOOD_S + 0.5)
        busy_s, begun = _cpu_s(pid), time.monotonic()
        device = _received(world, last)
        sender = await _flooder("send", source, FLOOD_S, address(last), "9")
        await sender()
        took_s = time.monotonic() - begun
        delivered = _received(world, last) - device
        carried = Carried(delivered / took_s, (_cpu_s(pid) - busy_s) / took_s)
        await received()
    return carried


async def _flooder(what: str, sock: socket.socket, seconds: float, *to: str) -> Callable[[], Awaitable[int]]:
    fd = sock.fileno()
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(HERE / "flood.py"), what, str(fd), str(seconds), str(DATAGRAM_BYTES), *to,
        pass_fds=(fd,), stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip

    async def count() -> int:
        output, _ = await process.communicate()
        return int(output)

    return count


def _received(world: MeshWorld, node: int) -> int:
    """Packets the node's kernel took from its device."""
    for line in Path(f"/proc/{world.holder(node).pid}/net/dev").read_text().splitlines():
        if line.strip().startswith("mesh0:"):
            return int(line.split(":")[1].split()[1])
    raise LookupError("mesh0")


async def _stream(world: MeshWorld, pid: int) -> tuple[Measured, float]:
    """What one stream brought, and the CPU s per s of the program between."""
    busy_s, begun = _cpu_s(pid), time.monotonic()
    got = await stream(world, STREAM_S)
    return got, (_cpu_s(pid) - busy_s) / (time.monotonic() - begun)


def _cpu_s(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S
