"""Connections that a station hands out: the format, the names that lead somewhere, and the bytes between two sockets."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from ipaddress import IPv4Network

import pytest

from skyrack.groundstation.entry.station import resolve
from skyrack.v1 import entry
from skyrack.v1.entry import Connect, Connected, EntryError, EntryRefusedError
from skyrack.v1.relay import CHUNK_BYTES, relay, reset

NETWORK = IPv4Network("100.64.0.0/10")
HOSTS = """\
127.0.0.1 localhost
127.0.42.1 skyrack.internal # for programs in the node
100.64.0.1 p0s00
100.64.0.4 p0s03 Alias
"""
PATIENCE_S = 60.0


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with a, b:
        yield a, b


def test_a_request_arrives_as_it_was_sent() -> None:
    request = Connect("p0s03", 2379, 30.0)
    assert entry.unpack_connect(entry.pack_connect(request)) == request


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"op":"listen"}',
        b'{"op":"connect","host":"","port":1,"timeout_s":1}',
        b'{"op":"connect","host":"a","port":0,"timeout_s":1}',
        b'{"op":"connect","host":"a","port":true,"timeout_s":1}',
        b'{"op":"connect","host":"a","port":1,"timeout_s":1e9}',
        b'{"op":"connect","host":"a","port":1,"timeout_s":NaN}',
    ],
)
def test_what_is_no_request_is_refused(data: bytes) -> None:
    with pytest.raises(EntryError):
        entry.unpack_connect(data)


def test_a_connection_arrives_with_its_address_and_is_not_inherited(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    with socket.socket() as handed:
        entry.send_connected(pair[0], Connected("100.64.0.4", handed.fileno()))
        connected = entry.receive_connected(pair[1])
    assert connected.address == "100.64.0.4"
    assert not os.get_inheritable(connected.fd)
    os.close(connected.fd)


def test_a_refusal_arrives_with_its_kind(pair: tuple[socket.socket, socket.socket]) -> None:
    entry.send_refused(pair[0], "timeout", "no answer " * 1000)
    with pytest.raises(EntryRefusedError, match="no answer") as refused:
        entry.receive_connected(pair[1])
    assert refused.value.kind == "timeout"


@pytest.mark.parametrize("data", [b"x", b"{}", b'{"address":1}', b'{"kind":"odd"}'])
def test_descriptors_of_wrong_answers_do_not_leak(
    pair: tuple[socket.socket, socket.socket], data: bytes
) -> None:
    read_fd, write_fd = os.pipe()
    socket.send_fds(pair[0], [data], [write_fd])
    os.close(write_fd)
    with pytest.raises(EntryError):
        entry.receive_connected(pair[1])
    assert os.read(read_fd, 1) == b"", "a copy of the write end is still open"
    os.close(read_fd)


def test_a_node_that_ends_is_an_end_and_no_answer(pair: tuple[socket.socket, socket.socket]) -> None:
    pair[0].close()
    with pytest.raises(ConnectionResetError):
        entry.receive_connected(pair[1])


@pytest.mark.parametrize("name", ["p0s03", "P0S03", "p0s03.", "alias", "100.64.0.4"])
def test_names_and_addresses_of_the_mesh_lead_there(name: str) -> None:
    assert resolve(name, HOSTS, NETWORK) == "100.64.0.4"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("p0s99", "no such node"),
        ("example.com", "no such node"),
        ("", "no such node"),
        ("1.2.3", "no such node"),
        ("localhost", "not an address of the mesh"),
        ("skyrack.internal", "not an address of the mesh"),
        ("127.0.0.1", "not an address of the mesh"),
        ("8.8.8.8", "not an address of the mesh"),
    ],
)
def test_nothing_else_can_be_reached_through_a_station(name: str, said: str) -> None:
    with pytest.raises(EntryRefusedError, match=said) as refused:
        resolve(name, HOSTS, NETWORK)
    assert refused.value.kind == "unknown-name"


class Ends:
    """outer <-> near == relay == far <-> inner."""

    def __init__(self) -> None:
        self.outer, self.near = socket.socketpair()
        self.far, self.inner = socket.socketpair()
        for sock in (self.outer, self.near, self.far, self.inner):
            sock.setblocking(False)

    def close(self) -> None:
        for sock in (self.outer, self.near, self.far, self.inner):
            sock.close()


@pytest.fixture
def ends() -> Iterator[Ends]:
    made = Ends()
    yield made
    made.close()


async def read_all(sock: socket.socket) -> bytes:
    data = b""
    while more := await asyncio.get_running_loop().sock_recv(sock, 1 << 20):
        data += more
    return data


async def test_each_direction_ends_by_itself_and_nothing_is_lost_or_changed(ends: Ends) -> None:
    loop = asyncio.get_running_loop()
    there, back = os.urandom(5 * CHUNK_BYTES + 1), os.urandom(3 * CHUNK_BYTES)

    async def outer() -> None:
        await loop.sock_sendall(ends.outer, there)
        ends.outer.shutdown(socket.SHUT_WR)

    async def inner() -> bytes:
        got = await read_all(ends.inner)
        await loop.sock_sendall(ends.inner, back)  # long after its own source has ended
        ends.inner.shutdown(socket.SHUT_WR)
        return got

    async with asyncio.timeout(PATIENCE_S):
        carried, got_back, got_there, _ = await asyncio.gather(
            relay(ends.near, ends.far), read_all(ends.outer), inner(), outer()
        )
    assert got_there == there
    assert got_back == back
    assert (carried.from_near_bytes, carried.from_far_bytes) == (len(there), len(back))


async def test_a_sender_is_held_up_when_nobody_reads_and_the_other_direction_is_not(ends: Ends) -> None:
    loop = asyncio.get_running_loop()
    relaying = asyncio.create_task(relay(ends.near, ends.far))
    sent = 0
    async with asyncio.timeout(PATIENCE_S):
        while True:  # until neither the sockets nor the relay take more
            try:
                sent += ends.outer.send(bytes(1 << 16))
            except BlockingIOError:
                await loop.sock_sendall(ends.inner, b"!")
                assert await loop.sock_recv(ends.outer, 9) == b"!"
                if not await _takes_more(ends.outer):
                    break
    assert sent < 4 << 20, "kept in memory without bound"
    relaying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await relaying


async def _takes_more(sock: socket.socket) -> bool:
    loop = asyncio.get_running_loop()
    writable = asyncio.Event()
    loop.add_writer(sock, writable.set)
    try:
        async with asyncio.timeout(0.2):
            await writable.wait()
            return True
    except TimeoutError:
        return False
    finally:
        loop.remove_writer(sock)


async def test_a_break_on_one_side_is_one_on_the_other() -> None:
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as server:
        socks = []
        for _ in range(2):
            socks += [socket.create_connection(server.getsockname()), server.accept()[0]]
    for sock in socks:
        sock.setblocking(False)
    outer, near, far, inner = socks
    relaying = asyncio.create_task(relay(near, far))
    await loop.sock_sendall(outer, b"x")
    async with asyncio.timeout(PATIENCE_S):
        assert await loop.sock_recv(inner, 9) == b"x"
        reset(inner)
        with pytest.raises(ConnectionResetError):
            await relaying
    reset(near)
    with pytest.raises(ConnectionResetError):
        await loop.sock_recv(outer, 9)
    for sock in socks:
        sock.close()


async def test_what_comes_first_is_waited_for_and_a_client_that_breaks_meanwhile_is_noticed(
    ends: Ends,
) -> None:
    loop = asyncio.get_running_loop()
    go = asyncio.Event()

    async def first() -> None:
        await go.wait()
        await loop.sock_sendall(ends.near, b"head ")

    async with asyncio.timeout(PATIENCE_S):
        relaying = asyncio.create_task(relay(ends.near, ends.far, first))
        await loop.sock_sendall(ends.outer, b"request")
        assert await loop.sock_recv(ends.inner, 99) == b"request"
        await loop.sock_sendall(ends.inner, b"body")
        ends.inner.shutdown(socket.SHUT_WR)
        go.set()
        ends.outer.shutdown(socket.SHUT_WR)
        assert await read_all(ends.outer) == b"head body"
        await relaying


async def test_a_connection_half_closed_and_forgotten_is_given_up_and_an_idle_one_is_not(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skyrack.v1.relay.HALF_CLOSED_IDLE_S", 0.05)
    relaying = asyncio.create_task(relay(ends.near, ends.far))
    done, _ = await asyncio.wait([relaying], timeout=0.3)
    assert not done, "an idle connection was ended"
    ends.outer.shutdown(socket.SHUT_WR)
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(TimeoutError, match="idle"):
            await relaying
