"""Descriptors handed out: what a peer sends does no harm, and a process is followed through all its lives."""

import os
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from skyrack.orchestrator.measure.hold import Hold, connect_fabric, connect_node
from skyrack.orchestrator.measure.tun import TunDrops, tx_dropped
from skyrack.v1 import attach, hand_out
from skyrack.v1.hand_out import Handed, HandOutError


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with a, b:
        yield a, b


def test_a_node_hands_out_three_descriptors_that_are_not_inherited(
    pair: tuple[socket.socket, socket.socket], tmp_path: Path
) -> None:
    node, measurer = pair
    files = [os.open(tmp_path / name, os.O_CREAT | os.O_RDWR) for name in ("ping", "net_dev", "schedstat")]
    for number, file in enumerate(files):
        os.write(file, b"%d" % number)
    hand_out.send_node(node, Handed("p3s07", "100.64.0.41", *files))
    handed = hand_out.receive_node(measurer)
    assert (handed.name, handed.address) == ("p3s07", "100.64.0.41")
    got = (handed.ping, handed.net_dev, handed.schedstat)
    assert [os.pread(fd, 9, 0) for fd in got] == [b"0", b"1", b"2"]
    assert not any(os.get_inheritable(fd) for fd in got)
    for fd in (*got, *files):
        os.close(fd)


def test_a_refusal_gives_its_reason(pair: tuple[socket.socket, socket.socket]) -> None:
    node, measurer = pair
    hand_out.send_error(node, "no ping sockets here")
    with pytest.raises(HandOutError, match="no ping sockets here"):
        hand_out.receive_node(measurer)


@pytest.mark.parametrize("data", [b"garbage", b"[]", b"{}", b'{"error":"no"}', b'{"name":"a"}'])
@pytest.mark.parametrize("count", [0, 1, 3, 5])
def test_descriptors_of_wrong_messages_do_not_leak(
    pair: tuple[socket.socket, socket.socket], data: bytes, count: int
) -> None:
    node, measurer = pair
    read_fd, write_fd = os.pipe()
    socket.send_fds(node, [data], [write_fd] * count)
    os.close(write_fd)
    with pytest.raises(HandOutError):
        hand_out.receive_node(measurer)
    os.set_blocking(read_fd, False)
    assert os.read(read_fd, 1) == b"", "a copy of the write end is still open"
    os.close(read_fd)


def test_an_end_before_anything_was_handed_out_is_an_error(pair: tuple[socket.socket, socket.socket]) -> None:
    node, measurer = pair
    node.close()
    with pytest.raises(ConnectionResetError):
        hand_out.receive_fabric(measurer)


class FakeWatch:
    """An event loop that acts when told."""

    def __init__(self) -> None:
        self.actions: dict[int, Callable[[], None]] = {}

    def add(self, descriptor: int, action: Callable[[], None]) -> None:
        self.actions[descriptor] = action

    def remove(self, descriptor: int) -> None:
        del self.actions[descriptor]

    def turn(self) -> None:
        """Everything that is readable, or nearly: a spurious wake-up must do no harm."""
        for action in list(self.actions.values()):
            action()


class FakeFabric:
    """Listens as the fabric does; `serve` answers who watches."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "fabric.sock"
        self._path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(os.fspath(self._path))
        self._listener.listen()
        self._watchers: list[socket.socket] = []

    def serve(self, answer: Callable[[socket.socket], None]) -> None:
        watcher, _ = self._listener.accept()
        assert attach.receive_opening(watcher) == attach.Watch()
        answer(watcher)
        self._watchers.append(watcher)

    def end(self) -> None:
        for sock in (self._listener, *self._watchers):
            sock.close()


def test_a_process_is_held_lost_and_held_again_when_another_takes_its_place(tmp_path: Path) -> None:
    watch, taken, lost = FakeWatch(), [], []
    with open("/proc/self/schedstat", "rb") as schedstat:
        answer = partial(hand_out.send_fabric, schedstat=schedstat.fileno())
        hold = Hold(
            partial(connect_fabric, tmp_path),
            lambda connection: taken.append(hand_out.receive_fabric(connection)),
            lambda: lost.append(len(taken)),
            watch,
        )
        hold.look(0.0)
        assert not hold.asking, "nobody listens"
        for life in (1, 2):
            fabric = FakeFabric(tmp_path)
            hold.look(10.0 * life - 10 + 0.05)
            assert life > 1 or not hold.asking, "asked again at once"
            hold.look(10.0 * life)
            assert hold.asking
            watch.turn()
            assert not hold.held, "nothing was handed out yet"
            fabric.serve(answer)
            watch.turn()
            watch.turn()
            assert hold.held
            assert (len(taken), len(lost)) == (life, life - 1)
            fabric.end()
            watch.turn()
            assert not hold.held
            assert lost[-1] == life
    assert all(os.pread(fd, 99, 0).split() for fd in taken)
    for fd in taken:
        os.close(fd)
    assert watch.actions == {}


def test_who_hands_nothing_out_is_asked_again_and_never_lost(tmp_path: Path) -> None:
    watch, lost = FakeWatch(), []
    hold = Hold(
        partial(connect_fabric, tmp_path),
        lambda connection: os.close(hand_out.receive_fabric(connection)),
        lambda: lost.append(1),
        watch,
    )
    fabric = FakeFabric(tmp_path)
    for now_s in (1.0, 2.0):
        hold.look(now_s)
        fabric.serve(lambda watcher: hand_out.send_error(watcher, "no"))
        watch.turn()
        assert not hold.asking
        assert not hold.held
    hold.close()
    fabric.end()
    assert lost == []


def test_a_node_that_is_not_there_is_an_os_error_that_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        connect_node(tmp_path, "nobody")


def net_dev(path: Path, dropped: int) -> int:
    """A descriptor that reads like /proc/net/dev."""
    columns = [0] * 16
    columns[11] = dropped
    path.write_text(f"Inter-| ...\n face | ...\n    lo: {'7 ' * 16}\n mesh0: {' '.join(map(str, columns))}\n")
    return os.open(path, os.O_RDONLY)


def test_drops_are_read_where_the_kernel_counts_what_it_could_not_send(tmp_path: Path) -> None:
    fd = net_dev(tmp_path / "dev", 5)
    assert tx_dropped(fd) == 5
    (tmp_path / "dev").write_text("    lo: 0\n")
    assert tx_dropped(fd) is None
    os.close(fd)


def test_drops_of_a_node_that_died_stay_and_its_next_life_begins_at_zero(tmp_path: Path) -> None:
    drops = TunDrops()
    first = tmp_path / "first"
    drops.add("a", net_dev(first, 5))
    assert drops.look() == 0, "what was dropped before is nobody's"
    os.close(net_dev(first, 8))
    assert drops.look() == 3
    first.write_text("    lo: 0\n")  # mesh0 is gone
    assert drops.look() == 3
    drops.add("a", net_dev(tmp_path / "second", 1))
    os.close(net_dev(tmp_path / "second", 2))
    assert drops.look() == 4
    drops.close()
    assert drops.look() == 4
