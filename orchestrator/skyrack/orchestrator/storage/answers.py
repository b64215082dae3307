"""Answers what the kernel asks about one mounted disk."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from skyrack.orchestrator.storage import wire
from skyrack.orchestrator.storage.disk import KEPT, Disk, Owner
from skyrack.orchestrator.storage.nodes import Nodes
from skyrack.orchestrator.storage.wire import ROOT, Op

_SIGKILL = 1 << 8  # in the masks of /proc/PID/status
_Entries = list[tuple[str, int, int]]  # name, inode, type


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of which node, by whom. `body` is valid until it has been answered."""

    op: int
    unique: int
    node: int
    owner: Owner
    pid: int
    body: memoryview


class Answers:
    """`answer` gives the body of an answer. Raises OSError."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.nodes = Nodes(disk.root)
        self._interrupted: set[int] = set()
        self._listed: dict[int, _Entries] = {}  # by handle of a directory
        self._table: dict[int, Callable[[Request], bytes]] = {
            Op.LOOKUP: self._lookup,
            Op.FORGET: self._forget,
            Op.BATCH_FORGET: self._batch_forget,
            Op.GETATTR: self._getattr,
            Op.SETATTR: self._setattr,
            Op.READLINK: lambda r: os.fsencode(os.readlink("", dir_fd=self.nodes[r.node].fd)),
            Op.SYMLINK: self._symlink,
            Op.MKNOD: self._mknod,
            Op.MKDIR: self._mkdir,
            Op.UNLINK: self._remove,
            Op.RMDIR: self._remove,
            Op.RENAME: lambda r: self._rename(r, wire.RENAME.size),
            Op.RENAME2: self._rename2,
            Op.LINK: self._link,
            Op.OPEN: self._open,
            Op.CREATE: self._create,
            Op.READ: self._read,
            Op.WRITE: self._write,
            Op.FLUSH: lambda r: b"",
            Op.RELEASE: self._release,
            Op.FSYNC: self._sync,
            Op.FSYNCDIR: self._sync,
            Op.FALLOCATE: self._allocate,
            Op.OPENDIR: self._opendir,
            Op.READDIR: self._readdir,
            Op.RELEASEDIR: self._release,
            Op.STATFS: self._statfs,
            Op.INIT: lambda r: wire.initial(r.body),
            Op.INTERRUPT: self._interrupt,
            Op.DESTROY: lambda r: b"",
        }

    def answer(self, request: Request) -> bytes:
        """The body of the answer."""
        do = self._table.get(request.op)
        if do is None:
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        return do(request)

    def close(self) -> None:
        """The end; handles that are still open end with the process."""
        self.nodes.close()

    # Names

    def _found(self, directory: int, name: str) -> bytes:
        number, status = self.nodes.find(directory, name)
        return wire.entry(number, status, self.disk.links(status))

    def _at(self, request: Request, skip: int = 0) -> tuple[int, list[str]]:
        """The directory that a request is about, and the names in it."""
        names = wire.names(request.body[skip:])
        if request.node == ROOT and KEPT in names:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        return self.nodes[request.node].fd, names

    def _lookup(self, request: Request) -> bytes:
        directory, (name,) = self._at(request)
        return self._found(directory, name)

    def _forget(self, request: Request) -> bytes:
        self.nodes.forget(request.node, *wire.FORGET.unpack_from(request.body))
        return b""

    def _batch_forget(self, request: Request) -> bytes:
        count, _ = wire.BATCH_FORGET.unpack_from(request.body)
        for at in range(count):
            offset = wire.BATCH_FORGET.size + at * wire.ONE_FORGET.size
            self.nodes.forget(*wire.ONE_FORGET.unpack_from(request.body, offset))
        return b""

    def _symlink(self, request: Request) -> bytes:
        directory, (name, text) = self._at(request)
        self.disk.symlink(directory, name, text, request.owner)
        return self._found(directory, name)

    def _mknod(self, request: Request) -> bytes:
        directory, (name,) = self._at(request, wire.MKNOD.size)
        mode, device, *_ = wire.MKNOD.unpack_from(request.body)
        self.disk.mknod(directory, name, mode, wire.device(device), request.owner)
        return self._found(directory, name)

    def _mkdir(self, request: Request) -> bytes:
        directory, (name,) = self._at(request, wire.MKDIR.size)
        self.disk.mkdir(directory, name, wire.MKDIR.unpack_from(request.body)[0], request.owner)
        return self._found(directory, name)

    def _remove(self, request: Request) -> bytes:
        directory, (name,) = self._at(request)
        self.disk.remove(directory, name)
        return b""

    def _rename(self, request: Request, skip: int) -> bytes:
        directory, (old, new) = self._at(request, skip)
        into = self.nodes[wire.RENAME.unpack_from(request.body)[0]].fd
        self.disk.rename(directory, old, into, new)
        return b""

    def _rename2(self, request: Request) -> bytes:
        if wire.RENAME2.unpack_from(request.body)[1] & ~wire.RENAME_NOREPLACE:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return self._rename(request, wire.RENAME2.size)

    def _link(self, request: Request) -> bytes:
        directory, (name,) = self._at(request, wire.LINK.size)
        self.disk.link(directory, name, self.nodes[wire.LINK.unpack_from(request.body)[0]].path)
        return self._found(directory, name)

    # Attributes

    def _getattr(self, request: Request) -> bytes:
        status = os.fstat(self.nodes[request.node].fd)
        return wire.attributes(status, self.disk.links(status))

    def _setattr(self, request: Request) -> bytes:
        valid, _, handle, size, _, *times, mode, _, uid, gid, _ = wire.SETATTR.unpack_from(request.body)
        node = self.nodes[request.node]
        if valid & (wire.SET_UID | wire.SET_GID):
            os.chown(node.path, uid if valid & wire.SET_UID else -1, gid if valid & wire.SET_GID else -1)
        if valid & wire.SET_MODE:
            os.chmod(node.path, stat.S_IMODE(mode))
        if valid & wire.SET_SIZE:
            if valid & wire.SET_BY_HANDLE:
                self.disk.truncate(handle, size)
            else:
                fd = os.open(node.path, os.O_RDWR | os.O_CLOEXEC)
                try:
                    self.disk.truncate(fd, size)
                finally:
                    os.close(fd)
        if valid & (wire.SET_ATIME | wire.SET_MTIME):
            atime_s, mtime_s, _, atime_ns, mtime_ns, _ = times
            _set_times(
                node.path, valid, atime_s * 1_000_000_000 + atime_ns, mtime_s * 1_000_000_000 + mtime_ns
            )
        return self._getattr(request)

    def _statfs(self, request: Request) -> bytes:
        return wire.room(os.fstatvfs(self.disk.root), full=self.disk.trouble.full)

    # Files

    def _open(self, request: Request) -> bytes:
        """Writable where it may be, whatever the program wants: the kernel sees to that."""
        flags, _ = wire.OPEN.unpack_from(request.body)
        path = self.nodes[request.node].path
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS) or flags & os.O_ACCMODE:
                raise
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        if flags & os.O_TRUNC:
            self.disk.truncate(fd, 0)
        return wire.opened(fd)

    def _create(self, request: Request) -> bytes:
        directory, (name,) = self._at(request, wire.CREATE.size)
        flags, mode, *_ = wire.CREATE.unpack_from(request.body)
        try:
            fd = self.disk.create(directory, name, mode, request.owner)
        except FileExistsError:  # made from outside since the kernel looked
            if flags & os.O_EXCL:
                raise
            fd = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        return self._found(directory, name) + wire.opened(fd)

    def _read(self, request: Request) -> bytes:
        handle, offset, size = wire.READ.unpack_from(request.body)
        return os.pread(handle, size, offset)

    def _write(self, request: Request) -> bytes:
        handle, offset, size, *_ = wire.WRITE.unpack_from(request.body)
        data = request.body[wire.WRITE.size : wire.WRITE.size + size]
        return wire.written(self.disk.write(handle, data, offset))

    def _allocate(self, request: Request) -> bytes:
        handle, offset, length, mode = wire.FALLOCATE.unpack_from(request.body)
        self.disk.allocate(handle, mode, offset, length)
        return b""

    def _sync(self, request: Request) -> bytes:
        handle, flags = wire.FSYNC.unpack_from(request.body)

        def given_up() -> bool:
            return request.unique in self._interrupted and _is_being_killed(request.pid)

        try:
            self.disk.sync(handle, data_only=bool(flags & wire.DATA_ONLY), given_up=given_up)
        finally:
            self._interrupted.discard(request.unique)
        return b""

    def _interrupt(self, request: Request) -> bytes:
        """Who waits got a signal. That is nothing to an fsync, as on any disk, unless it is to die."""
        self._interrupted.add(*wire.INTERRUPT.unpack_from(request.body))
        if len(self._interrupted) > 10_000:  # of those that had been answered when the word came
            self._interrupted.clear()
        return b""

    def _release(self, request: Request) -> bytes:
        (handle,) = wire.HANDLE.unpack_from(request.body)
        self._listed.pop(handle, None)
        os.close(handle)
        return b""

    # Directories

    def _opendir(self, request: Request) -> bytes:
        directory = self.nodes[request.node].fd
        return wire.opened(os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory))

    def _readdir(self, request: Request) -> bytes:
        handle, offset, size = wire.READ.unpack_from(request.body)
        if offset == 0:
            self._listed[handle] = self._entries(handle, is_root=request.node == ROOT)
        answer = bytearray()
        for at, (name, inode, kind) in enumerate(self._listed.get(handle, [])[offset:], offset + 1):
            entry = wire.directory_entry(inode, at, kind, name)
            if len(answer) + len(entry) > size:
                break
            answer += entry
        return bytes(answer)

    def _entries(self, handle: int, *, is_root: bool) -> _Entries:
        inode = os.fstat(handle).st_ino
        entries: _Entries = [(".", inode, stat.S_IFDIR), ("..", inode, stat.S_IFDIR)]
        with os.scandir(handle) as found:
            for entry in found:
                if not (is_root and entry.name == KEPT):
                    entries.append((entry.name, entry.inode(), _type(entry)))
        return entries


def _type(entry: os.DirEntry[str]) -> int:
    if entry.is_symlink():
        return stat.S_IFLNK
    if entry.is_dir(follow_symlinks=False):
        return stat.S_IFDIR
    return stat.S_IFREG if entry.is_file(follow_symlinks=False) else 0


def _set_times(path: str, valid: int, atime_ns: int, mtime_ns: int) -> None:
    if valid & wire.SET_ATIME_NOW and valid & wire.SET_MTIME_NOW:
        os.utime(path)
        return
    now = os.stat(path)
    if not valid & wire.SET_ATIME:
        atime_ns = now.st_atime_ns
    if not valid & wire.SET_MTIME:
        mtime_ns = now.st_mtime_ns
    os.utime(path, ns=(atime_ns, mtime_ns))


def _is_being_killed(pid: int) -> bool:
    """Whether a process has been sent SIGKILL, and waits for an answer before it can end."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return True
    masks = [line.split()[1] for line in lines if line.startswith(("SigPnd", "ShdPnd"))]
    return any(int(mask, 16) & _SIGKILL for mask in masks)
