"""The attach messages survive the wire, and nothing a peer sends does harm."""

import json
import os
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyrack.v1 import attach

NAMES = st.text(min_size=1, max_size=63)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with a, b:
        yield a, b


@given(NAMES)
def test_hello_comes_out_as_it_went_in(name: str) -> None:
    assert attach.unpack_hello(attach.pack_hello(attach.Hello(name))) == attach.Hello(name)


@given(st.integers(0, 2**31) | st.text(max_size=512))
def test_reply_comes_out_as_it_went_in(value: int | str) -> None:
    reply = attach.Accepted(value) if isinstance(value, int) else attach.Refused(value)
    assert attach.unpack_reply(attach.pack_reply(reply)) == reply


def test_hello_bytes_are_the_documented_ones() -> None:
    assert attach.pack_hello(attach.Hello("p3s07")) == b'{"v":1,"name":"p3s07"}'
    assert attach.pack_reply(attach.Accepted(40)) == b'{"ok":true,"index":40}'
    assert attach.pack_reply(attach.Refused("who?")) == b'{"ok":false,"error":"who?"}'


@given(st.binary(max_size=300) | st.just(b"[" * 4000) | st.just(b" " * 5000))
def test_garbage_is_an_attach_error_and_nothing_else(data: bytes) -> None:
    for unpack in (attach.unpack_hello, attach.unpack_reply):
        with pytest.raises(attach.AttachError):
            unpack(data)


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"v": 2, "name": "a"},
        {"v": True, "name": "a"},
        {"v": 1},
        {"v": 1, "name": ""},
        {"v": 1, "name": 7},
        [],
        None,
    ],
)
def test_wrong_hello_is_refused(message: object) -> None:
    with pytest.raises(attach.AttachError):
        attach.unpack_hello(json.dumps(message).encode())


@pytest.mark.parametrize(
    "message",
    [{}, {"ok": True}, {"ok": True, "index": -1}, {"ok": True, "index": True}, {"ok": False}, {"ok": 1}],
)
def test_wrong_reply_is_refused(message: object) -> None:
    with pytest.raises(attach.AttachError):
        attach.unpack_reply(json.dumps(message).encode())


def test_an_endless_refusal_still_fits_one_message() -> None:
    data = attach.pack_reply(attach.Refused("\N{SNOWMAN}" * 10_000))
    assert len(data) <= attach.MAX_MESSAGE_BYTES
    assert isinstance(attach.unpack_reply(data), attach.Refused)


def test_descriptor_arrives_and_is_not_inherited(pair: tuple[socket.socket, socket.socket]) -> None:
    node, fabric = pair
    read_fd, write_fd = os.pipe()
    attach.send_hello(node, attach.Hello("a"), write_fd)
    os.close(write_fd)
    received = attach.receive_opening(fabric)
    assert isinstance(received, tuple)
    hello, fd = received
    assert hello == attach.Hello("a")
    assert not os.get_inheritable(fd)
    os.write(fd, b"x")
    assert os.read(read_fd, 1) == b"x"
    os.close(fd)
    os.close(read_fd)


def test_a_watch_is_neither_a_node_nor_an_error(pair: tuple[socket.socket, socket.socket]) -> None:
    watcher, fabric = pair
    for data in (attach.pack_watch(), b'{ "op": "watch" }'):
        watcher.send(data)
        assert attach.receive_opening(fabric) == attach.Watch()


def test_end_of_stream_is_none_and_no_message_would_block(pair: tuple[socket.socket, socket.socket]) -> None:
    node, fabric = pair
    fabric.setblocking(False)
    with pytest.raises(BlockingIOError):
        attach.receive_opening(fabric)
    node.close()
    assert attach.receive_opening(fabric) is None


@pytest.mark.parametrize("data", [b"garbage", b'{"v":1,"name":"a"}'])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_descriptors_of_wrong_messages_do_not_leak(
    pair: tuple[socket.socket, socket.socket], data: bytes, count: int
) -> None:
    node, fabric = pair
    read_fd, write_fd = os.pipe()
    socket.send_fds(node, [data], [write_fd] * count)
    os.close(write_fd)
    if data == b"garbage" or count != 1:
        with pytest.raises(attach.AttachError):
            attach.receive_opening(fabric)
    else:
        received = attach.receive_opening(fabric)
        assert isinstance(received, tuple)
        os.close(received[1])
    os.set_blocking(read_fd, False)
    assert os.read(read_fd, 1) == b"", "a copy of the write end is still open"
    os.close(read_fd)
