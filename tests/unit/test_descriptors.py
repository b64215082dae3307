"""Descriptors of strangers are closed without waiting, all of them, however they came."""

import contextlib
import os
import socket
import struct
from collections.abc import Iterator

import pytest

from skyrack.v1.descriptors import MOST_FDS, discard, discard_connection, receive_fds

HOUR_S = 3600


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with a, b:
        yield a, b


@pytest.fixture
def lingering() -> Iterator[list[int]]:
    """Sockets whose last close takes an hour."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        made = []
        for _ in range(2):
            sock = socket.create_connection(listener.getsockname())
            stack.enter_context(listener.accept()[0])
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    sock.send(bytes(65536))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("=ii", 1, HOUR_S))
            made.append(sock.detach())
        yield made


def give_away(peer: socket.socket, data: bytes, descriptors: list[int]) -> None:
    socket.send_fds(peer, [data], descriptors)
    for descriptor in descriptors:
        os.close(descriptor)


def test_what_is_too_many_is_not_waited_for(
    pair: tuple[socket.socket, socket.socket], lingering: list[int]
) -> None:
    give_away(pair[0], b"x", lingering)
    assert receive_fds(pair[1], 100, 0) == (b"x", [])


def test_a_descriptor_that_lingers_is_closed_at_once(
    pair: tuple[socket.socket, socket.socket], lingering: list[int]
) -> None:
    give_away(pair[0], b"x", lingering)
    for descriptor in receive_fds(pair[1], 100, 2)[1]:
        discard(descriptor)


def test_empty_messages_hide_nothing_that_lingers(
    pair: tuple[socket.socket, socket.socket], lingering: list[int]
) -> None:
    for _ in range(3):
        pair[0].send(b"")
    give_away(pair[0], b"", lingering[:1])
    pair[0].send(b"")
    give_away(pair[0], b"x", lingering[1:])
    discard_connection(pair[1])
    with pytest.raises(BrokenPipeError):
        pair[0].send(b"x")


def test_everything_that_is_queued_is_closed(pair: tuple[socket.socket, socket.socket]) -> None:
    read_end, write_end = os.pipe()
    for count in (1, MOST_FDS, 0, 2):
        socket.send_fds(pair[0], [b"x"], [write_end] * count)
    os.close(write_end)
    discard_connection(pair[1])
    os.set_blocking(read_end, False)
    assert os.read(read_end, 1) == b"", "a copy of the write end is still open"
    os.close(read_end)


@pytest.mark.parametrize("kind", ["stream", "datagram", "unix", "file", "eventfd"])
def test_anything_can_be_discarded(kind: str) -> None:
    descriptor = {
        "stream": lambda: socket.socket().detach(),
        "datagram": lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).detach(),
        "unix": lambda: socket.socket(socket.AF_UNIX).detach(),
        "file": lambda: os.open(os.devnull, os.O_RDONLY),
        "eventfd": lambda: os.eventfd(0),
    }[kind]()
    discard(descriptor)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
