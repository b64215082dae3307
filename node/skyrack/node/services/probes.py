"""Whether a service answers: one try, of the kind its probe is. None of it outlives its time-out."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from skyrack.v1 import service_pb2

LOOPBACK = "127.0.0.1"
MOST_HEAD_BYTES = 16 * 1024
Try = Callable[[], Awaitable[None]]


class NotReadyError(Exception):
    """Why not, in a few words."""


async def try_port(hosts: tuple[str, ...], port: int) -> None:
    """A TCP connection to one of the hosts. Raises NotReadyError."""
    writer = (await _connect(hosts, port))[1]
    writer.close()


async def try_http(hosts: tuple[str, ...], target: str) -> None:
    """GET of `PORT/path` answers with a status from 200 to 399. Raises NotReadyError."""
    number, _, path = target.partition("/")
    if not number.isdecimal():
        raise NotReadyError(f"http {target}: expected PORT/path")
    reader, writer = await _connect(hosts, int(number))
    try:
        host = writer.get_extra_info("peername")[0]
        writer.write(
            f"GET /{path} HTTP/1.1\r\nHost: {host}:{number}\r\nUser-Agent: skyrack-node\r\n"
            "Accept: */*\r\nConnection: close\r\n\r\n".encode()
        )
        words = (await reader.readline()).split(None, 2)
    except (OSError, ValueError) as error:
        raise NotReadyError(f"http {target}: {error}") from error
    finally:
        writer.close()
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        raise NotReadyError(f"http {target}: the answer is not HTTP")
    if not 200 <= int(words[1]) < 400:
        raise NotReadyError(f"http {target}: status {words[1].decode()}")


async def try_grpc(hosts: tuple[str, ...], port: int) -> None:
    """grpc.health.v1.Health/Check answers SERVING. Raises NotReadyError."""
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    writer = (await _connect(hosts, port))[1]
    host = writer.get_extra_info("peername")[0]
    writer.close()
    # Nothing of a try before: a channel that is shared would wait out its own back-off.
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
    async with grpc.aio.insecure_channel(f"{host}:{port}", options) as channel:
        try:
            # The published type stubs know neither its methods nor aio.
            untyped: Any = health_pb2_grpc.HealthStub
            answer = await untyped(channel).Check(health_pb2.HealthCheckRequest())
        except grpc.aio.AioRpcError as error:
            raise NotReadyError(f"grpc {port}: {error.code().name} {error.details()}".strip()) from error
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        name = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
        raise NotReadyError(f"grpc {port}: {name}")


async def _connect(hosts: tuple[str, ...], port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to the first host that takes one."""
    refused: dict[str, None] = {}
    for host in hosts:
        try:
            reader, writer = await asyncio.open_connection(host, port, limit=MOST_HEAD_BYTES)
        except OSError as error:
            refused[os.strerror(error.errno) if error.errno else str(error)] = None
            continue
        # Where nobody listens, TCP may connect a port of the ephemeral range with itself.
        if writer.get_extra_info("sockname") == writer.get_extra_info("peername"):
            writer.close()
            refused["Connection refused"] = None
            continue
        return reader, writer
    raise NotReadyError(f"port {port}: {', '.join(refused)}")


def make_try(probe: service_pb2.ReadinessProbe, address: str, command: Callable[[list[str]], Try]) -> Try:
    """What the probe of a service tries; `command` makes the one that executes a program in its place."""
    hosts = (address, LOOPBACK)
    if probe.port:
        return lambda: try_port(hosts, probe.port)
    if probe.grpc_port:
        return lambda: try_grpc(hosts, probe.grpc_port)
    if probe.http:
        return lambda: try_http(hosts, probe.http)
    return command(list(probe.command))
