"""What a malicious program in a node can do to everybody at fabric.sock: be a nuisance to who comes new, and no more."""

import asyncio
import contextlib
import os
import socket
import struct
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from skyrack.v1 import attach
from skyrack.v1.descriptors import MOST_FDS

from .mesh_world import MeshWorld, Row, open_row, until
from .test_fabric_process import Pinger

pytestmark = [pytest.mark.mesh, pytest.mark.together]

HOUR_S = 3600
# What a round trip of 2 ms may take on a machine that does other things too; a loop that waits takes an hour.
PATIENCE_S = 60.0


@pytest.fixture(autouse=True)
def _tun() -> None:
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        pytest.skip("needs a writable /dev/net/tun")


@contextlib.asynccontextmanager
async def attacked() -> AsyncIterator[tuple[MeshWorld, Callable[[], socket.socket]]]:
    """A mesh, and a way to knock; afterwards it carries packets, and lets a node in that starts anew."""
    async with open_row(Row(hops=1)) as world, contextlib.AsyncExitStack() as stack:

        def knock() -> socket.socket:
            peer = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
            peer.settimeout(PATIENCE_S)
            peer.connect(str(world.directory / "fabric.sock"))
            return peer

        yield world, knock
        await carries_on(world)
        with Fresh(world.directory) as fresh:
            await until(lambda: fresh.answered(), "somebody new is heard")


async def carries_on(world: MeshWorld) -> None:
    """Packets pass in the time that they take."""

    def one(pinger: Pinger) -> bool:
        answer = pinger.ping(1, wait_s=PATIENCE_S)
        return answer is not None and answer[2] < PATIENCE_S

    with Pinger(world, 0) as pinger:
        for _ in range(5):
            assert await asyncio.to_thread(one, pinger)


class Fresh:
    """One who comes new, says hello like a node and tries again when nobody answers."""

    def __init__(self, directory: Path) -> None:
        self._path = str(directory / "fabric.sock")
        self._peer: socket.socket | None = None
        self._null = os.open(os.devnull, os.O_RDONLY)

    def __enter__(self) -> "Fresh":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._null)
        if self._peer is not None:
            self._peer.close()

    def answered(self) -> bool:
        """Whether the fabric has an opinion about it by now."""
        try:
            if self._peer is None:
                self._peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
                self._peer.connect(self._path)
                attach.send_hello(self._peer, attach.Hello("n0"), self._null)
            return isinstance(attach.unpack_reply(self._peer.recv(4096)), attach.Refused)
        except BlockingIOError:
            return False
        except OSError:
            assert self._peer is not None
            self._peer.close()
            self._peer = None
            return False


@contextlib.contextmanager
def lingering() -> Iterator[list[int]]:
    """Descriptors whose last close takes an hour: unsent data, a peer that does not read, SO_LINGER."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        made = []
        for _ in range(3):
            sock = socket.create_connection(listener.getsockname())
            stack.enter_context(listener.accept()[0])
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    sock.send(bytes(65536))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("=ii", 1, HOUR_S))
            made.append(sock.detach())
        yield made
        for descriptor in made:  # who fails to send it must not wait either
            with contextlib.suppress(OSError), socket.socket(fileno=descriptor) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("=ii", 0, 0))


def give_away(peer: socket.socket, data: bytes, descriptors: list[int]) -> None:
    """Send descriptors so that the receiver has the last copies."""
    socket.send_fds(peer, [data], descriptors)
    for descriptor in descriptors:
        os.close(descriptor)
    descriptors.clear()


HELLO = attach.pack_hello(attach.Hello("n0"))
WATCH = attach.pack_watch()


@pytest.mark.parametrize(
    "data", [HELLO, WATCH, b"garbage", b""], ids=["hello", "watch", "garbage", "nothing"]
)
@pytest.mark.parametrize("count", [1, 3])
async def test_a_descriptor_that_is_closed_for_an_hour_stops_nothing(data: bytes, count: int) -> None:
    async with attacked() as (world, knock):
        with lingering() as made:
            spare, made[count:] = made[count:], []
            give_away(knock(), data, made)
            await carries_on(world)
            made += spare


async def test_what_is_sent_after_the_first_message_is_never_taken() -> None:
    async with attacked() as (world, knock):
        with lingering() as made:
            watcher = knock()
            watcher.send(WATCH)
            assert await asyncio.to_thread(watcher.recv, 4096)
            give_away(watcher, b"more", made)
            watcher.close()
            await carries_on(world)


async def test_as_many_descriptors_as_a_message_holds_are_closed_again() -> None:
    async with attacked() as (world, knock):
        place = f"/proc/{world.fabric.pid}/fd"
        before = len(os.listdir(place))
        read_end, write_end = os.pipe()
        for data in (HELLO, WATCH, b"x") * 20:
            socket.send_fds(knock(), [data], [write_end] * MOST_FDS)
        os.close(write_end)
        os.set_blocking(read_end, False)

        def all_closed() -> bool:
            try:
                return os.read(read_end, 1) == b""
            except BlockingIOError:
                return False

        await until(all_closed, "no copy is left")
        os.close(read_end)
        assert len(os.listdir(place)) < before + 80


async def test_who_says_nothing_keeps_nobody_out() -> None:
    async with attacked() as (_, knock):
        for _ in range(600):
            knock()


async def test_thousands_of_connections_at_once_are_a_matter_of_time() -> None:
    flood = """
import socket, sys
from contextlib import suppress
made = []
for number in range(8000):
    with suppress(OSError):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        sock.connect(sys.argv[1])
        sock.send(b"x" * (number % 5000))
        made.append(sock)
    if len(made) > 900:
        made.pop(0).close()
"""
    async with attacked() as (world, _):
        path = str(world.directory / "fabric.sock")
        flooding = await asyncio.create_subprocess_exec(sys.executable, "-c", flood, path)
        try:
            deadline = time.monotonic() + 20
            while flooding.returncode is None and time.monotonic() < deadline:
                await carries_on(world)
                await asyncio.sleep(0)
        finally:
            with contextlib.suppress(ProcessLookupError):
                flooding.kill()
            await flooding.wait()


@pytest.mark.parametrize(
    "data",
    [
        b"x" * 60_000,
        b"[" * 4000,
        b'{"v":1,"name":' + b"9" * 4000 + b"}",
        b'{"v":1,"name":"' + b"n" * 4000 + b'"}',
        b'{"v":1e999,"name":"n0"}',
        b'{"v":1,"name":"\\ud800"}',
        b"\x00\xff",
    ],
)
async def test_what_is_no_message_is_refused_and_forgotten(data: bytes) -> None:
    async with attacked() as (world, knock):
        null = os.open(os.devnull, os.O_RDONLY)
        try:
            peer = knock()
            socket.send_fds(peer, [data], [null])
            answer = await asyncio.to_thread(peer.recv, 4096)
            assert isinstance(attach.unpack_reply(answer), attach.Refused)
            assert await asyncio.to_thread(peer.recv, 4096) == b""
        finally:
            os.close(null)
        await carries_on(world)


DESCRIPTORS: dict[str, Callable[[], list[int]]] = {
    "pipe": lambda: list(os.pipe()),
    "socket": lambda: [sock.detach() for sock in socket.socketpair()],
    "memfd": lambda: [os.memfd_create("x")],
    "directory": lambda: [os.open("/", os.O_RDONLY | os.O_DIRECTORY)],
    "plain TUN": lambda: [os.open("/dev/net/tun", os.O_RDWR)],
}


@pytest.mark.parametrize("kind", DESCRIPTORS)
async def test_descriptors_of_any_kind_are_refused(kind: str) -> None:
    async with attacked() as (_, knock):
        peer = knock()
        spare = DESCRIPTORS[kind]()
        try:
            attach.send_hello(peer, attach.Hello("n0"), spare[0])
            reply = attach.unpack_reply(await asyncio.to_thread(peer.recv, 4096))
            assert isinstance(reply, attach.Refused)
            assert "not a TUN descriptor" in reply.error
        finally:
            for descriptor in spare:
                os.close(descriptor)


async def test_watchers_are_as_many_as_there_is_room_for() -> None:
    async with attacked() as (_, knock):
        watchers = [knock() for _ in range(80)]
        for watcher in watchers:
            watcher.send(WATCH)
        answers = [await asyncio.to_thread(watcher.recv, 4096) for watcher in watchers]
        assert answers.count(b"{}") == 64
        assert sum(b"watch already" in answer for answer in answers) == 16
