"""What an engine learns about a container by executing the health check in it, from real gRPC servers."""

import asyncio
import contextlib
import os
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from hypothesis import given
from hypothesis import strategies as st

from skyrack.node import healthcheck
from skyrack.node.healthcheck import UnhealthyError, unpack_fields

PATIENCE_S = 60.0


async def execute(*arguments: str, **environment: str) -> tuple[int, str]:
    """As the image does. Exit status and output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", healthcheck.__file__, *arguments,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, **environment},
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def answered(*arguments: str, **environment: str) -> tuple[int, str]:
    """The same, of a server that a busy host lets answer in time."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            said = await execute(*arguments, **environment)
            if "no answer within" not in said[1]:
                return said


@pytest.fixture
async def servicer() -> health.aio.HealthServicer:
    return health.aio.HealthServicer()


@pytest.fixture
async def target(servicer: health.aio.HealthServicer, tmp_path: Path) -> AsyncIterator[str]:
    """Where a server answers for `servicer`."""
    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    address = f"unix:{tmp_path}/n.sock"
    server.add_insecure_port(address)
    await server.start()
    yield address
    await server.stop(0)


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    """A process that accepts connections and never says anything."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.bind(os.fspath(tmp_path / "silent.sock"))
        sock.listen()
        yield sock


async def test_a_server_that_serves_is_healthy(servicer: health.aio.HealthServicer, target: str) -> None:
    await servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    await servicer.set("mesh", health_pb2.HealthCheckResponse.SERVING)
    assert await answered(target) == (0, "")
    assert await answered(target, "mesh") == (0, "")
    assert await answered(SKYRACK_HEALTH=target) == (0, "")
    assert await answered(SKYRACK_HEALTH=f"{target} mesh") == (0, "")


async def test_one_that_does_not_serve_is_not(servicer: health.aio.HealthServicer, target: str) -> None:
    await servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    await servicer.set("mesh", health_pb2.HealthCheckResponse.NOT_SERVING)
    assert await answered(target, "mesh") == (1, f"{target}: NOT_SERVING\n")
    status, output = await answered(target, "nobody")
    assert status == 1
    assert "grpc status 5" in output


async def test_a_server_without_the_service_is_not(tmp_path: Path) -> None:
    server = grpc.aio.server()
    server.add_insecure_port(f"unix:{tmp_path}/n.sock")
    await server.start()
    assert await answered(f"unix:{tmp_path}/n.sock") == (
        1,
        f"unix:{tmp_path}/n.sock: grpc status 12 Method not found!\n",
    )
    await server.stop(0)


async def test_nobody_there_is_said_in_a_line(tmp_path: Path) -> None:
    target = f"unix:{tmp_path}/n.sock"
    assert await execute(target) == (1, f"{target}: No such file or directory\n")
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(target.removeprefix("unix:"))
    assert await execute(target) == (1, f"{target}: Connection refused\n")


async def test_a_server_that_hangs_is_not_waited_for(listener: socket.socket) -> None:
    target = f"unix:{listener.getsockname()}"
    assert await execute(target) == (1, f"{target}: no answer within 2 s\n")


async def test_what_is_no_grpc_server_is_unhealthy(listener: socket.socket) -> None:
    async def answer(data: bytes) -> str:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                checking = asyncio.create_task(execute(f"unix:{listener.getsockname()}"))
                connection, _ = await asyncio.to_thread(listener.accept)
                with connection, contextlib.suppress(ConnectionError):  # it may have stopped waiting
                    await asyncio.to_thread(connection.recv, 1000)
                    connection.sendall(data)
                status, output = await checking
                assert status == 1
                if "no answer within" not in output:
                    return output

    assert "ends early" in await answer(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert "ends early" in await answer(b"")
    assert "64 frames" in await answer((b"\0\0\0\x06\x01" + bytes(4)) * 64)


@pytest.mark.skipif(os.getuid() != 0, reason="needs a user to stop being")
def test_root_asks_as_the_user_whose_sockets_they_are() -> None:
    """In a container root may not open what belongs to the image's user."""
    owner = 54321
    with tempfile.TemporaryDirectory() as place, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        path = f"{place}/n.sock"
        sock.bind(path)
        sock.listen()
        sock.settimeout(PATIENCE_S)
        for name in (place, path):
            os.chown(name, owner, owner)
        with subprocess.Popen(
            [sys.executable, "-I", "-S", healthcheck.__file__, f"listening:{path}"]
        ) as asking:
            with sock.accept()[0] as connection:
                who = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            assert asking.wait() == 0
        assert struct.unpack("3i", who)[1:] == (owner, owner)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_SEQPACKET])
async def test_a_listener_of_either_kind_is_recognised(kind: int, tmp_path: Path) -> None:
    path = os.fspath(tmp_path / "l.sock")
    with socket.socket(socket.AF_UNIX, kind) as sock:
        sock.bind(path)
        assert await execute(f"listening:{path}") == (1, f"listening:{path}: Connection refused\n")
        sock.listen()
        assert await execute(f"listening:{path}") == (0, "")


@pytest.mark.parametrize("target", ["", "unix:", "tcp:1.2.3.4", "listening"])
def test_a_target_of_no_use_is_named(target: str) -> None:
    with pytest.raises(UnhealthyError, match="expected unix:PATH, listening:PATH or tcp:PORT"):
        healthcheck.check(target)


def test_a_service_of_no_use_is_named() -> None:
    with pytest.raises(UnhealthyError, match="127 bytes"):
        healthcheck.check("unix:/nowhere", "s" * 128)


def test_fields_that_are_repeated_by_number_are_known() -> None:
    table: list[tuple[bytes, bytes]] = []
    # RFC 7541 C.2.1, a literal with indexing; then the same by its number, 62.
    literal = bytes.fromhex("400a637573746f6d2d6b65790d637573746f6d2d686561646572")
    assert unpack_fields(literal + b"\xbe", table) == [(b"custom-key", b"custom-header")] * 2
    # Its name by number with another value, without indexing; a table size; `:status: 200` of the static table.
    assert unpack_fields(b"\x0f\x2f\x01x\x3f\xe1\x1f\x88", table) == [(b"custom-key", b"x"), (b"", b"")]


@given(st.binary(max_size=60))
def test_no_bytes_break_the_reader_of_fields(block: bytes) -> None:
    try:
        fields = unpack_fields(block, [])
    except IndexError:
        return
    assert len(fields) <= len(block)


async def test_a_node_that_is_to_wait_is_healthy_until_it_is_told_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "n.sock.absent").touch()
    assert await execute(f"unix:{tmp_path}/n.sock") == (0, "")
    (tmp_path / "n.sock.absent").unlink()
    assert (await execute(f"unix:{tmp_path}/n.sock"))[0] == 1
