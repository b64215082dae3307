"""What `skyrack forward` does while it runs: every connection to a local port goes in through the station's proxy."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from skyrack.orchestrator.cli.console import complain, note
from skyrack.orchestrator.cli.entered import NoWayInError, through
from skyrack.v1.relay import relay, reset

LOOK_S = 1.0

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Way:
    """Where the connections of one local port go: in at `station`, whose proxy is at `proxy`, to a port of `node`."""

    station: str
    proxy: tuple[str, int]
    node: str
    port: int


async def carry(
    ends: Sequence[tuple[socket.socket, Way]], is_up: Callable[[], bool], tell: Tell | None
) -> bool:
    """Carry until SIGINT or SIGTERM, then True; False when the run is not up any more. `tell` hears of every connection.

    Says that Ctrl-C ends it, once it does.
    """
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    note("Ctrl-C ends it")
    async with asyncio.TaskGroup() as tasks:
        jobs = [tasks.create_task(_accept(listener, way, tell)) for listener, way in ends]
        while not stopped.is_set() and is_up():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await stopped.wait()
        for job in jobs:
            job.cancel()
    return stopped.is_set()


async def _accept(listener: socket.socket, way: Way, tell: Tell | None) -> None:
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as connections:
        while True:
            try:
                client, (host, port) = await loop.sock_accept(listener)
            except OSError as error:
                complain(f"cannot accept a connection: {error.strerror}")
                await asyncio.sleep(LOOK_S)
                continue
            name = f"{host}:{port} -> {way.station} -> {way.node}:{way.port}"
            connections.create_task(_one(client, way, name, tell))


async def _one(client: socket.socket, way: Way, name: str, tell: Tell | None) -> None:
    """One connection, from its beginning to its end. Who could not be connected sees a connection that breaks."""
    began = time.perf_counter()
    with client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            mesh, early = await through(way.proxy, way.node, way.port)
        except NoWayInError as error:
            complain(f"{name}: {error}")
            reset(client)
            return
        if tell is not None:
            tell(f"{name}   connected in {(time.perf_counter() - began) * 1e3:.1f} ms")
        with mesh:
            try:
                await asyncio.get_running_loop().sock_sendall(client, early)
                carried = await relay(client, mesh)
                end = f"ended: {carried.from_near_bytes:,} bytes there, {carried.from_far_bytes:,} back"
            except OSError as error:
                reset(client)
                reset(mesh)
                end = f"broke: {error.strerror or error}"
        if tell is not None:
            tell(f"{name}   {end}, after {time.perf_counter() - began:.3f} s")
