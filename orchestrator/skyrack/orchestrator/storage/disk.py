"""One data directory that can lose what was not fsynced, and whose disk can be slow, failing or full.

What programs write goes to the directory at once; the old contents of what they overwrite are saved in a file of their own
first, and what they remove is kept in KEPT, until it is certain. So the directory itself is right at any time, also when
this process ends. Places are a descriptor of a directory and a name. Safe to use from several threads.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import stat
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import IO

from skyrack.orchestrator.storage.ranges import Span
from skyrack.orchestrator.storage.undo import Cut, FileUndo, Made, Moved, Name, Removed, Step, Undo, names

KEPT = ".skyrack-unsynced"  # in the directory, and not shown; removed at the end
LOOK_S = 0.02
_CHUNK = 1 << 20
Owner = tuple[int, int]  # user and group
_PUNCH_HOLE = 0x02
_KEEP_SIZE = 0x01
_ZERO_RANGE = 0x10
_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with a disk: seconds added to each fsync, fsync fails with EIO, no room for more."""

    fsync_s: float = 0.0
    fsync_fails: bool = False
    full: bool = False


@dataclass(frozen=True, slots=True)
class Dropped:
    """What a power loss took: files whose contents went back, and names and truncations that were undone.

    `touched`: names that may not stand for what they did.
    """

    files: int
    names: int
    touched: tuple[Name, ...]


class _Held:
    """A file with something to take back: open, so that its inode stays its own, with what has been saved of it."""

    def __init__(self, fd: int) -> None:
        self.fd = os.dup(fd)
        self._saved: IO[bytes] | None = None

    def save(self, spans: Iterable[Span]) -> None:
        """Copy what is there now."""
        for start, end in spans:
            _copy(self.fd, self._file().fileno(), start, end)

    def save_zeros(self, spans: Iterable[Span]) -> None:
        for start, end in spans:
            for at in range(start, end, _CHUNK):
                os.pwrite(self._file().fileno(), bytes(min(_CHUNK, end - at)), at)

    def put_back(self, undo: FileUndo) -> None:
        os.ftruncate(self.fd, undo.size)
        for start, end in undo.saved:
            _copy(self._file().fileno(), self.fd, start, end)

    def _file(self) -> IO[bytes]:
        if self._saved is None:
            self._saved = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        return self._saved

    def close(self) -> None:
        os.close(self.fd)
        if self._saved is not None:
            self._saved.close()


class Disk:
    """A directory with what has to be taken back. Every operation raises OSError as the kernel's would."""

    def __init__(self, root: int) -> None:
        """`root`: a descriptor of the directory, which is the disk's from now on."""
        self.root = root
        self._undo = Undo()
        self._held: dict[int, _Held] = {}
        self._extra_links: Counter[int] = Counter()  # names in KEPT, which programs do not see
        self._number = 0
        self._lock = threading.RLock()
        self._trouble = Trouble()
        self._changed = threading.Condition()
        self._places: dict[int, int] = {}  # directories in which names are not certain, by inode
        self._remove_kept()
        os.mkdir(KEPT, 0o700, dir_fd=root)
        self._kept = os.open(KEPT, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=root)

    @property
    def trouble(self) -> Trouble:
        """What is wrong at the moment; when it is changed, who waits for a slow fsync looks again."""
        return self._trouble

    @trouble.setter
    def trouble(self, trouble: Trouble) -> None:
        with self._changed:
            self._trouble = trouble
            self._changed.notify_all()

    def links(self, status: os.stat_result) -> int:
        """How many names a file has that programs see."""
        return status.st_nlink - self._extra_links[status.st_ino]

    # Files

    def create(self, directory: int, name: str, mode: int, owner: Owner) -> int:
        """A new file's descriptor."""
        with self._lock:
            fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode, dir_fd=directory)
            self._give(directory, name, owner)
            inode = os.fstat(fd).st_ino
            self._file(fd, inode, 0)
            self._made(directory, name, inode)
            return fd

    def write(self, fd: int, data: bytes | memoryview, offset: int) -> int:
        """How many bytes were written."""
        with self._lock:
            status = os.fstat(fd)
            end = offset + len(data)
            self._require_room(longer=end > status.st_size)
            self._save(fd, status, lambda file: file.write(offset, end))
            return os.pwrite(fd, data, offset)

    def truncate(self, fd: int, size: int) -> None:
        """Make it that long."""
        with self._lock:
            status = os.fstat(fd)
            self._require_room(longer=size > status.st_size)
            self._save(fd, status, lambda file: file.resize(size))
            if size < status.st_size:
                self._undo.add(Cut(status.st_ino, size), status.st_ino)
            os.ftruncate(fd, size)

    def allocate(self, fd: int, mode: int, offset: int, length: int) -> None:
        """As fallocate(2): longer, holes and zeros; nothing that moves what is behind."""
        if mode & ~(_KEEP_SIZE | _PUNCH_HOLE | _ZERO_RANGE):
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        with self._lock:
            status = os.fstat(fd)
            end = offset + length
            self._require_room(longer=not mode & _PUNCH_HOLE)
            if mode & (_PUNCH_HOLE | _ZERO_RANGE):
                until = end if end > status.st_size and not mode & _KEEP_SIZE else min(end, status.st_size)
                if offset < until:
                    self._save(fd, status, lambda file: file.write(offset, until))
            else:
                self._save(fd, status, lambda file: [])
            _fallocate(fd, mode, offset, length)

    def sync(self, fd: int, *, data_only: bool, given_up: Callable[[], bool] = lambda: False) -> None:
        """As fsync or fdatasync of a file or directory. `given_up`: whether who called it is being killed."""
        self._wait(given_up)
        with self._lock:
            status = os.fstat(fd)
            inode = status.st_ino
            file = self._undo.files.get(inode)
            if self._trouble.fsync_fails:
                if file is not None:
                    file.failed()
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            if self._undo.commits(inode, status.st_size, data_only=data_only):
                self._commit()
            if file is not None and inode in self._undo.files:
                self._held[inode].save_zeros(file.synced(status.st_size))
                if not file.lost:
                    self._forget(inode)
        # Without the lock: what is not acknowledged yet may have got to the disk.
        (os.fdatasync if data_only else os.fsync)(fd)

    # Names

    def mkdir(self, directory: int, name: str, mode: int, owner: Owner) -> None:
        """A new directory."""
        with self._lock:
            self._require_room(longer=True)
            os.mkdir(name, mode, dir_fd=directory)
            self._give(directory, name, owner)
            self._made(directory, name, is_directory=True)

    def mknod(self, directory: int, name: str, mode: int, device: int, owner: Owner) -> None:
        """A new file, socket, pipe or device."""
        with self._lock:
            os.mknod(name, mode, device, dir_fd=directory)
            self._give(directory, name, owner)
            self._made(directory, name)

    def symlink(self, directory: int, name: str, text: str, owner: Owner) -> None:
        """A new symbolic link."""
        with self._lock:
            os.symlink(text, name, dir_fd=directory)
            self._give(directory, name, owner)
            self._made(directory, name)

    def link(self, directory: int, name: str, of: str) -> None:
        """Another name of what the path `of`, a symbolic link, leads to."""
        with self._lock:
            os.link(of, name, dst_dir_fd=directory, follow_symlinks=True)
            self._made(directory, name)

    def remove(self, directory: int, name: str) -> None:
        """unlink and rmdir."""
        with self._lock:
            status = os.lstat(name, dir_fd=directory)
            if stat.S_ISDIR(status.st_mode):
                _require_empty(directory, name)
            kept = self._next_kept()
            os.rename(name, kept, src_dir_fd=directory, dst_dir_fd=self._kept)
            self._removed(directory, name, kept, status)

    def rename(self, directory: int, old: str, new_directory: int, new: str) -> None:
        """As rename(2)."""
        with self._lock:
            moved = os.lstat(old, dir_fd=directory)
            with contextlib.suppress(FileNotFoundError):
                replaced = os.lstat(new, dir_fd=new_directory)
                if os.path.samestat(moved, replaced):
                    return
                kept = self._next_kept()
                if stat.S_ISDIR(replaced.st_mode):
                    _require_empty(new_directory, new)
                    os.rename(new, kept, src_dir_fd=new_directory, dst_dir_fd=self._kept)
                else:  # so that the name is there at any time
                    os.link(new, kept, src_dir_fd=new_directory, dst_dir_fd=self._kept, follow_symlinks=False)
                self._removed(new_directory, new, kept, replaced)
            os.rename(old, new, src_dir_fd=directory, dst_dir_fd=new_directory)
            before, after = self._place(directory), self._place(new_directory)
            self._undo.add(Moved((before, old), (after, new)), moved.st_ino, before, after)

    # Power

    def drop(self) -> Dropped:
        """The power fails: what is not certain is taken back. Nothing may be using the directory."""
        with self._lock:
            steps, files = self._undo.steps, self._undo.files
            changed = sum(
                bool(file.saved) or file.size != os.fstat(self._held[inode].fd).st_size
                for inode, file in files.items()
            )
            for step in reversed(steps):
                with contextlib.suppress(OSError):  # somebody changed the directory from outside
                    self._take_back(step)
            for inode, file in files.items():
                self._held[inode].put_back(file)
            self._let_go()
            self._undo = Undo()
            self._extra_links.clear()
            return Dropped(changed, len(steps), tuple(name for step in steps for name in names(step)))

    def settle(self) -> None:
        """Everything is certain as it is."""
        with self._lock:
            self._commit()
            for inode in list(self._held):
                self._forget(inode)

    def close(self) -> None:
        """The end: what is there stays."""
        with self._lock:
            self._let_go()
            os.close(self._kept)
            self._remove_kept()
            os.close(self.root)

    def _take_back(self, step: Step) -> None:
        match step:
            case Made((directory, name), True):
                os.rmdir(name, dir_fd=self._places[directory])
            case Made((directory, name), False):
                os.unlink(name, dir_fd=self._places[directory])
            case Removed((directory, name), kept):
                os.rename(kept, name, src_dir_fd=self._kept, dst_dir_fd=self._places[directory])
            case Moved((directory, old), (new_directory, new)):
                os.rename(
                    new, old, src_dir_fd=self._places[new_directory], dst_dir_fd=self._places[directory]
                )

    def _commit(self) -> None:
        for step in self._undo.commit():
            if isinstance(step, Removed):
                status = os.lstat(step.kept, dir_fd=self._kept)
                self._extra_links[status.st_ino] -= 1
                if stat.S_ISDIR(status.st_mode):
                    os.rmdir(step.kept, dir_fd=self._kept)
                    continue
                os.unlink(step.kept, dir_fd=self._kept)
                if status.st_nlink == 1:
                    self._forget(status.st_ino)
        self._extra_links += Counter()  # drops those at zero
        self._leave_places()

    # Within

    def _save(self, fd: int, status: os.stat_result, change: Callable[[FileUndo], list[Span]]) -> None:
        if status.st_nlink:  # a file without a name is gone after a power loss anyway
            file = self._file(fd, status.st_ino, status.st_size)
            self._held[status.st_ino].save(change(file))

    def _file(self, fd: int, inode: int, size: int) -> FileUndo:
        if inode not in self._held:
            self._held[inode] = _Held(fd)
        return self._undo.file(inode, size)

    def _forget(self, inode: int) -> None:
        if self._undo.files.pop(inode, None) is not None:
            self._held.pop(inode).close()

    def _let_go(self) -> None:
        for held in self._held.values():
            held.close()
        self._held.clear()
        self._leave_places()

    def _made(self, directory: int, name: str, inode: int = 0, *, is_directory: bool = False) -> None:
        inode = inode or os.lstat(name, dir_fd=directory).st_ino
        place = self._place(directory)
        self._undo.add(Made((place, name), is_directory), inode, place)

    def _removed(self, directory: int, name: str, kept: str, status: os.stat_result) -> None:
        self._extra_links[status.st_ino] += 1
        place = self._place(directory)
        self._undo.add(Removed((place, name), kept), status.st_ino, place)

    def _place(self, directory: int) -> int:
        """The inode of a directory, which is kept open from now on until names in it are certain."""
        inode = os.fstat(directory).st_ino
        if inode not in self._places:
            self._places[inode] = os.dup(directory)
        return inode

    def _leave_places(self) -> None:
        for fd in self._places.values():
            os.close(fd)
        self._places.clear()

    def _next_kept(self) -> str:
        self._number += 1
        return str(self._number)

    def _give(self, directory: int, name: str, owner: Owner) -> None:
        if owner != (os.geteuid(), os.getegid()):
            os.chown(name, *owner, dir_fd=directory, follow_symlinks=False)

    def _require_room(self, *, longer: bool) -> None:
        if longer and self._trouble.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _wait(self, given_up: Callable[[], bool]) -> None:
        began_s = time.monotonic()
        with self._changed:
            while (left_s := began_s + self._trouble.fsync_s - time.monotonic()) > 0.0:
                self._changed.wait(min(left_s, LOOK_S))
                if given_up():
                    raise OSError(errno.EINTR, os.strerror(errno.EINTR))

    def _remove_kept(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(KEPT, dir_fd=self.root)


def _require_empty(directory: int, name: str) -> None:
    fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        if os.listdir(fd):
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))
    finally:
        os.close(fd)


def _copy(source: int, target: int, start: int, end: int) -> None:
    """Bytes [start, end) to the same place; what the source has not got there is zeros."""
    for at in range(start, end, _CHUNK):
        wanted = min(_CHUNK, end - at)
        os.pwrite(target, os.pread(source, wanted, at).ljust(wanted, b"\0"), at)


def _fallocate(fd: int, mode: int, offset: int, length: int) -> None:
    result = _libc.fallocate(fd, mode, offset, length)
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
