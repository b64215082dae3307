"""The real proxy process and the real code of a station, on a mesh that is this host's loopback."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from .entry_world import SERVER, World, open_world

pytestmark = pytest.mark.together

PATIENCE_S = 240.0  # with a whole test


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with asyncio.timeout(PATIENCE_S), open_world() as opened:
        yield opened


@contextlib.asynccontextmanager
async def serving(
    each: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """A server at p0s03; what a client calls it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await each(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, SERVER, 0)
    async with server:
        yield f"p0s03:{server.sockets[0].getsockname()[1]}"


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()


async def test_a_tunnel_carries_both_ways_what_came_with_the_request_too(world: World) -> None:
    async with serving(echo) as target:
        reader, writer = await world.connect()
        writer.write(f"CONNECT {target} HTTP/1.1\r\nHost: x\r\n\r\nearly".encode())
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 200 Connection established\r\n\r\n"
        assert await reader.readexactly(5) == b"early"
        sent = os.urandom(3_000_000)
        writer.write(sent)
        writer.write_eof()
        assert await reader.read() == sent
        writer.close()


async def test_a_request_reaches_the_server_as_its_own_and_its_response_ends_the_connection(
    world: World,
) -> None:
    heads = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.readexactly(4)
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\n" + body)
        await reader.read()  # keeps it open until the client has gone

    async with serving(answer) as target:
        reader, writer = await world.connect()
        writer.write(
            f"PUT http://{target}/x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n".encode()
        )
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        writer.write(b"body")
        head = await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(4) == b"body"
        writer.close()
    assert b"Connection: close\r\n" in head
    assert b"keep-alive" not in head
    assert b"Via: 1.1 london\r\n" in head
    assert heads[0].startswith(b"PUT /x HTTP/1.1\r\nHost: p0s03:")


async def test_a_server_that_says_no_http_is_heard(world: World) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"220 mail\r\n")

    async with serving(greet) as target:
        assert await world.ask(f"GET http://{target}/ HTTP/1.1\r\n\r\n".encode()) == "220 mail\r\n"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "200 OK"),
        (b"GET /favicon.ico HTTP/1.1\r\n\r\n", "404 "),
        (b"DELETE / HTTP/1.1\r\n\r\n", "405 "),
        (b"\x16\x03\x01\x02\r\n\r\n", "400 "),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n", "431 "),
        (b"x" * 100_000, "431 "),
        (b"CONNECT p0s99:80 HTTP/1.1\r\n\r\n", "502 p0s99: no such node"),
        (b"CONNECT localhost:80 HTTP/1.1\r\n\r\n", "502 localhost: 127.0.0.1 is not an address of the mesh"),
        (b"CONNECT p0s04:1 HTTP/1.1\r\n\r\n", "502 p0s04:1: connection refused"),
    ],
)
async def test_what_cannot_be_served_is_told_in_the_first_line(world: World, data: bytes, said: str) -> None:
    assert (await world.ask(data)).startswith(f"HTTP/1.1 {said}")


async def test_a_client_that_says_half_a_request_or_nothing_does_no_harm(world: World) -> None:
    reader, writer = await world.connect()
    writer.write(b"GET / HT")
    writer.write_eof()
    assert (await reader.read()).startswith(b"HTTP/1.1 400 the request ends")
    writer.close()
    for _ in range(50):
        socket.create_connection(("127.0.0.1", world.port)).close()
    assert (await world.ask(b"GET / HTTP/1.1\r\n\r\n")).startswith("HTTP/1.1 200 ")


async def test_many_clients_at_once_are_all_served(world: World) -> None:
    async with serving(echo) as target:
        for reader, writer in await asyncio.gather(*(world.tunnel(target) for _ in range(200))):
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()


async def test_a_station_that_ends_takes_its_connections_with_it_and_then_is_missed(world: World) -> None:
    async with serving(echo) as target:
        reader, writer = await world.tunnel(target)
        writer.write(b"still there")
        assert await reader.readexactly(11) == b"still there"
        world.station.cancel()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        answer = await world.ask(f"CONNECT {target} HTTP/1.1\r\n\r\n".encode())
    assert answer.startswith("HTTP/1.1 503 london has no process at the moment\r\n")


async def test_a_server_that_breaks_a_connection_breaks_it_for_the_client(world: World) -> None:
    async def abort(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("=ii", 1, 0))
        writer.transport.abort()

    async with serving(abort) as target:
        reader, writer = await world.tunnel(target)
        writer.write(b"x")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()


async def test_the_proxy_ends_when_it_is_told_to_with_connections_open(world: World) -> None:
    async with serving(echo) as target:
        _, writer = await world.tunnel(target)
        world.proxy.send_signal(signal.SIGTERM)
        assert await world.proxy.wait() == 0
        writer.close()


async def test_a_proxy_out_of_room_says_so_and_goes_on() -> None:
    async with serving(echo) as target, open_world(descriptors=64 + 2 * 3) as world:
        open_ones = [await world.tunnel(target) for _ in range(2)]
        assert (await world.ask(b"")).startswith("HTTP/1.1 503 too many connections")
        for reader, writer in open_ones:
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()
        answer = ""
        while not answer.startswith("HTTP/1.1 200 "):
            with contextlib.suppress(ConnectionResetError):  # one that is turned away is not read before
                answer = await world.ask(b"GET / HTTP/1.1\r\n\r\n")


@pytest.mark.parametrize("entry", ["london", "london=", "=8801", "london=fd:", "london=x"])
async def test_arguments_of_no_use_are_named(entry: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "skyrack.groundstation.entry", "--mesh-dir", "/tmp", "--entry", entry,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, error = await process.communicate()
    assert process.returncode == 2
    assert f"--entry {entry}: expected NAME=PORT".encode() in error
