"""A disk that loses what was not fsynced, against a model that is too simple to be wrong."""

from __future__ import annotations

import errno
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from skyrack.orchestrator.storage.disk import KEPT, Disk, Trouble

from .storage_model import Model

OWNER = (os.geteuid(), os.getegid())
PATHS = ["a", "b", "sub/a", "sub/b"]
_OFFSETS = st.one_of(st.integers(0, 20), st.sampled_from([4090, 4096, 8200]))


class Against(RuleBasedStateMachine):
    """Both do the same, and what is there is the same at any time and after a power loss."""

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self.place = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        (self.place / "sub").mkdir()
        self.disk = Disk(os.open(self.place, os.O_RDONLY))
        self.directories = {name: os.open(self.place / name, os.O_RDONLY) for name in ("", "sub")}
        self.fds: dict[int, int] = {}
        self.model = Model()

    def teardown(self) -> None:
        for fd in (*self.fds.values(), *self.directories.values()):
            os.close(fd)
        self.disk.close()
        assert not (self.place / KEPT).exists(), "it leaves something"
        self._stack.close()

    def _at(self, path: str) -> tuple[int, str]:
        directory, _, name = path.rpartition("/")
        return self.directories[directory], name

    @rule(path=st.sampled_from(PATHS))
    def create(self, path: str) -> None:
        if path in self.model.names:
            return
        self.model.create(path)
        self.fds[len(self.model.files) - 1] = self.disk.create(*self._at(path), 0o644, OWNER)

    @rule(old=st.sampled_from(PATHS), new=st.sampled_from(PATHS))
    def rename(self, old: str, new: str) -> None:
        if old in self.model.names:
            self.model.rename(old, new)
            self.disk.rename(*self._at(old), *self._at(new))

    @rule(old=st.sampled_from(PATHS), new=st.sampled_from(PATHS))
    def link(self, old: str, new: str) -> None:
        if old in self.model.names and new not in self.model.names:
            self.model.link(old, new)
            self.disk.link(*self._at(new), str(self.place / old))

    @rule(path=st.sampled_from(PATHS))
    def unlink(self, path: str) -> None:
        if path in self.model.names:
            self.model.unlink(path)
            self.disk.remove(*self._at(path))

    @precondition(lambda self: self.fds)
    @rule(data=st.data(), offset=_OFFSETS, length=st.integers(1, 50), byte=st.integers(1, 255))
    def write(self, data: st.DataObject, offset: int, length: int, byte: int) -> None:
        number = data.draw(st.sampled_from(sorted(self.fds)))
        self.model.write(number, bytes([byte]) * length, offset)
        self.disk.write(self.fds[number], bytes([byte]) * length, offset)

    @precondition(lambda self: self.fds)
    @rule(data=st.data(), size=_OFFSETS)
    def truncate(self, data: st.DataObject, size: int) -> None:
        number = data.draw(st.sampled_from(sorted(self.fds)))
        self.model.truncate(number, size)
        self.disk.truncate(self.fds[number], size)

    @precondition(lambda self: self.fds)
    @rule(data=st.data(), data_only=st.booleans())
    def sync(self, data: st.DataObject, data_only: bool) -> None:
        number = data.draw(st.sampled_from(sorted(self.fds)))
        self.model.sync(number, data_only=data_only)
        self.disk.sync(self.fds[number], data_only=data_only)

    @precondition(lambda self: self.fds)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.fds)))
        self.model.fail(number)
        self.disk.trouble = Trouble(fsync_fails=True)
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            self.disk.sync(self.fds[number], data_only=False)
        self.disk.trouble = Trouble()

    @rule(directory=st.sampled_from(["", "sub"]))
    def sync_directory(self, directory: str) -> None:
        self.model.sync_directory(directory)
        self.disk.sync(self.directories[directory], data_only=False)

    @rule()
    def drop(self) -> None:
        self.model.drop()
        self.disk.drop()
        for fd in self.fds.values():
            os.close(fd)
        self.fds = {
            number: os.open(self.place / path, os.O_RDWR) for path, number in self.model.names.items()
        }

    @invariant()
    def same(self) -> None:
        there = {
            os.path.relpath(path, self.place): path.read_bytes()
            for path in self.place.rglob("*")
            if path.is_file() and KEPT not in path.parts
        }
        assert there == self.model.contents()


TestAgainst = Against.TestCase
TestAgainst.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(os.open(tmp_path, os.O_RDONLY))
    yield disk
    disk.close()


def _new(disk: Disk, name: str, data: bytes = b"") -> int:
    fd = disk.create(disk.root, name, 0o644, OWNER)
    if data:
        disk.write(fd, data, 0)
    return fd


def test_a_file_that_was_replaced_without_an_fsync_is_empty_after_a_power_loss(
    disk: Disk, tmp_path: Path
) -> None:
    old = _new(disk, "config", b"old")
    disk.sync(old, data_only=False)
    new = _new(disk, "config.new", b"new")
    disk.rename(disk.root, "config.new", disk.root, "config")
    disk.sync(disk.root, data_only=False)
    disk.drop()
    assert (tmp_path / "config").read_bytes() == b""
    assert sorted(os.listdir(tmp_path)) == [KEPT, "config"]
    for fd in (old, new):
        os.close(fd)


def test_what_a_failed_fsync_did_not_write_a_later_one_does_not_either_unless_it_was_written_again(
    disk: Disk, tmp_path: Path
) -> None:
    fd = _new(disk, "f", b"old.")
    disk.sync(fd, data_only=False)
    disk.write(fd, b"NEW.more", 0)
    disk.trouble = Trouble(fsync_fails=True)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        disk.sync(fd, data_only=True)
    disk.trouble = Trouble()
    disk.write(fd, b"N", 0)
    disk.sync(fd, data_only=True)
    assert (tmp_path / "f").read_bytes() == b"NEW.more", "programs read what they wrote, from the page cache"
    disk.drop()
    assert (tmp_path / "f").read_bytes() == b"Nld.\0\0\0\0"
    os.close(fd)


def test_a_directory_comes_back_with_what_was_in_it(disk: Disk, tmp_path: Path) -> None:
    disk.mkdir(disk.root, "d", 0o755, OWNER)
    directory = os.open(tmp_path / "d", os.O_RDONLY)
    fd = disk.create(directory, "f", 0o644, OWNER)
    disk.write(fd, b"x", 0)
    disk.sync(fd, data_only=True)
    disk.remove(directory, "f")
    disk.remove(disk.root, "d")
    assert os.listdir(tmp_path) == [KEPT]
    disk.drop()
    assert (tmp_path / "d" / "f").read_bytes() == b"x"
    with pytest.raises(OSError, match=os.strerror(errno.ENOTEMPTY)):
        disk.remove(disk.root, "d")
    os.close(fd)
    os.close(directory)


def test_a_removed_file_has_one_name_less_for_who_has_it_open(disk: Disk) -> None:
    fd = _new(disk, "f")
    assert disk.links(os.fstat(fd)) == 1
    disk.remove(disk.root, "f")
    assert disk.links(os.fstat(fd)) == 0
    disk.sync(disk.root, data_only=False)
    assert disk.links(os.fstat(fd)) == 0
    os.close(fd)


def test_a_full_disk_takes_what_needs_no_room(disk: Disk) -> None:
    fd = _new(disk, "f", b"12345")
    disk.allocate(fd, 0, 0, 100)
    disk.trouble = Trouble(full=True)
    assert disk.write(fd, b"abc", 97) == 3, "within what was allocated"
    _new_fd = _new(disk, "empty")
    for needs in (
        lambda: disk.write(fd, b"abcd", 97),
        lambda: disk.truncate(fd, 101),
        lambda: disk.allocate(fd, 0, 100, 1),
        lambda: disk.mkdir(disk.root, "d", 0o755, OWNER),
    ):
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
            needs()
    disk.trouble = Trouble()
    assert disk.write(fd, b"abcd", 97) == 4
    os.close(fd)
    os.close(_new_fd)


def test_holes_come_back_filled(disk: Disk, tmp_path: Path) -> None:
    fd = _new(disk, "f", b"x" * 10_000)
    disk.sync(fd, data_only=False)
    disk.allocate(fd, 0x03, 0, 4096)  # punch a hole, keep the size
    assert (tmp_path / "f").read_bytes()[:4096] == bytes(4096)
    disk.drop()
    assert (tmp_path / "f").read_bytes() == b"x" * 10_000
    with pytest.raises(OSError, match=os.strerror(errno.EOPNOTSUPP)):
        disk.allocate(fd, 0x08, 0, 4096)  # collapse
    os.close(fd)


def test_an_fsync_that_is_slow_ends_when_the_disk_is_not_any_more_or_who_waits_is_killed(disk: Disk) -> None:
    fd = _new(disk, "f", b"x")
    disk.trouble = Trouble(fsync_s=60.0)
    waiting = threading.Thread(target=lambda: disk.sync(fd, data_only=False))
    waiting.start()
    disk.trouble = Trouble()
    waiting.join(60.0)
    assert not waiting.is_alive()
    disk.trouble = Trouble(fsync_s=60.0)
    with pytest.raises(InterruptedError):
        disk.sync(fd, data_only=False, given_up=lambda: True)
    disk.trouble = Trouble(fsync_s=0.05)
    began_s = time.monotonic()
    disk.sync(fd, data_only=False)
    assert time.monotonic() - began_s >= 0.05
    os.close(fd)


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / KEPT).mkdir()
    (tmp_path / KEPT / "7").write_bytes(b"removed")
    disk = Disk(os.open(tmp_path, os.O_RDONLY))
    assert os.listdir(tmp_path / KEPT) == []
    disk.close()
