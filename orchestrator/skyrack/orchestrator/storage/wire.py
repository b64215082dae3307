"""The kernel's FUSE protocol, version 7.31, as far as it is spoken here: include/uapi/linux/fuse.h."""

from __future__ import annotations

import os
from enum import IntEnum
from struct import Struct

MAJOR, MINOR = 7, 31
MOST_WRITTEN = 1 << 20
PAGES = MOST_WRITTEN // 4096
BUFFER = MOST_WRITTEN + 4096  # of a request
VALID_S = 1  # names and attributes may be remembered that long; a power loss tells the kernel to forget them


class Op(IntEnum):
    """What is asked."""

    LOOKUP = 1
    FORGET = 2
    GETATTR = 3
    SETATTR = 4
    READLINK = 5
    SYMLINK = 6
    MKNOD = 8
    MKDIR = 9
    UNLINK = 10
    RMDIR = 11
    RENAME = 12
    LINK = 13
    OPEN = 14
    READ = 15
    WRITE = 16
    STATFS = 17
    RELEASE = 18
    FSYNC = 20
    FLUSH = 25
    INIT = 26
    OPENDIR = 27
    READDIR = 28
    RELEASEDIR = 29
    FSYNCDIR = 30
    CREATE = 35
    INTERRUPT = 36
    DESTROY = 38
    BATCH_FORGET = 42
    FALLOCATE = 43
    RENAME2 = 45


NEVER_ANSWERED = (Op.FORGET, Op.BATCH_FORGET, Op.INTERRUPT)

REQUEST = Struct("=IIQQIIIHH")  # length, op, unique, node, uid, gid, pid, length of extensions, -
ANSWER = Struct("=IiQ")  # length, -errno, unique
INIT = Struct("=4I")  # major, minor, most read ahead, flags
_INIT_ANSWER = Struct("=4I2H2I2H2I24x")
GETATTR = Struct("=IIQ")  # flags, -, handle
SETATTR = Struct("=IIQQQQQQIIIIIIII")
MKNOD = Struct("=4I")  # mode, device, umask, -
MKDIR = Struct("=2I")  # mode, umask
RENAME = Struct("=Q")  # new directory
RENAME2 = Struct("=QII")  # new directory, flags, -
LINK = Struct("=Q")  # of node
OPEN = Struct("=II")  # flags, -
CREATE = Struct("=4I")  # flags, mode, umask, -
READ = Struct("=QQI")  # handle, offset, size, ...
WRITE = Struct("=QQIIQII")  # handle, offset, size, ...; the bytes follow
HANDLE = Struct("=Q")  # at the beginning of RELEASE, RELEASEDIR
FSYNC = Struct("=QI")  # handle, flags
FALLOCATE = Struct("=QQQI")  # handle, offset, length, mode
FORGET = Struct("=Q")  # how often it was looked up
BATCH_FORGET = Struct("=II")
ONE_FORGET = Struct("=QQ")  # node, how often
INTERRUPT = Struct("=Q")  # unique
_ATTRIBUTES = Struct("=QQQQQQIIIIIIIIII")
_ENTRY = Struct("=QQQQII")  # node, generation, valid for, attributes valid for, nanoseconds of both
_ATTRIBUTES_ANSWER = Struct("=QII")
_OPENED = Struct("=QII")
_WRITTEN = Struct("=II")
_STATFS = Struct("=5Q4I24x")
_DIRENT = Struct("=QQII")
_INVALID_NODE = Struct("=QqQ")
_INVALID_NAME = Struct("=QII")

SET_MODE, SET_UID, SET_GID, SET_SIZE, SET_ATIME, SET_MTIME = 1, 2, 4, 8, 16, 32
SET_BY_HANDLE, SET_ATIME_NOW, SET_MTIME_NOW = 64, 128, 256
DATA_ONLY = 1  # of FSYNC
RENAME_NOREPLACE = 1  # of RENAME2, which the kernel sees to itself
ROOT = 1  # the node that is mounted

_ASYNC_READ, _ATOMIC_TRUNCATE, _BIG_WRITES = 1 << 0, 1 << 3, 1 << 5
_PARALLEL_DIRECTORIES, _MAX_PAGES = 1 << 18, 1 << 22
_WANTED = _ASYNC_READ | _ATOMIC_TRUNCATE | _BIG_WRITES | _PARALLEL_DIRECTORIES | _MAX_PAGES
_NOTIFY_INVALID_NODE, _NOTIFY_INVALID_NAME = 2, 3


def initial(body: memoryview) -> bytes:
    """The answer to INIT. Raises OSError for a kernel that is too old."""
    major, minor, read_ahead, flags = INIT.unpack_from(body)
    if major != MAJOR or minor < MINOR:
        raise OSError(
            f"the kernel speaks version {major}.{minor} of FUSE, {MAJOR}.{MINOR} is needed (Linux 5.4)"
        )
    return _INIT_ANSWER.pack(
        MAJOR, MINOR, read_ahead, flags & _WANTED, 16, 12, MOST_WRITTEN, 1, PAGES, 0, 0, 0
    )  # fmt: skip


def answer(unique: int, body: bytes) -> bytes:
    """An answer."""
    return ANSWER.pack(ANSWER.size + len(body), 0, unique) + body


def refusal(unique: int, number: int) -> bytes:
    """An answer with an errno."""
    return ANSWER.pack(ANSWER.size, -number, unique)


def names(body: memoryview) -> list[str]:
    """Texts that end with a zero byte each."""
    return [os.fsdecode(part) for part in bytes(body).split(b"\0")[:-1]]


def _attributes(status: os.stat_result, links: int) -> bytes:
    times = (status.st_atime_ns, status.st_mtime_ns, status.st_ctime_ns)
    return _ATTRIBUTES.pack(
        status.st_ino,
        status.st_size,
        status.st_blocks,
        *(time // 1_000_000_000 for time in times),
        *(time % 1_000_000_000 for time in times),
        status.st_mode,
        links,
        status.st_uid,
        status.st_gid,
        _device(status.st_rdev),
        status.st_blksize,
        0,
    )


def _device(number: int) -> int:
    """As the kernel writes it in 32 bits."""
    major, minor = os.major(number), os.minor(number)
    return (minor & 0xFF) | major << 8 | (minor & ~0xFF) << 12


def device(number: int) -> int:
    """A device's number from the kernel's 32 bits."""
    return os.makedev((number & 0xFFF00) >> 8, (number & 0xFF) | (number >> 12 & 0xFFF00))


def entry(node: int, status: os.stat_result, links: int) -> bytes:
    """What a name stands for."""
    return _ENTRY.pack(node, 0, VALID_S, VALID_S, 0, 0) + _attributes(status, links)


def attributes(status: os.stat_result, links: int) -> bytes:
    """What a node is like."""
    return _ATTRIBUTES_ANSWER.pack(VALID_S, 0, 0) + _attributes(status, links)


def opened(handle: int) -> bytes:
    """A handle."""
    return _OPENED.pack(handle, 0, 0)


def written(size: int) -> bytes:
    """How much was."""
    return _WRITTEN.pack(size, 0)


def room(found: os.statvfs_result, *, full: bool) -> bytes:
    """How large the file system is."""
    free = (0, 0) if full else (found.f_bfree, found.f_bavail)
    return _STATFS.pack(
        found.f_blocks, *free, found.f_files, found.f_ffree, found.f_bsize, found.f_namemax, found.f_frsize, 0
    )  # fmt: skip


def directory_entry(inode: int, next_offset: int, kind: int, name: str) -> bytes:
    """One of READDIR's. `kind`: the type's bits of a mode."""
    raw = os.fsencode(name)
    return _DIRENT.pack(inode, next_offset, len(raw), kind >> 12) + raw + bytes(-len(raw) % 8)


def forget_node(node: int) -> bytes:
    """A message to the kernel: contents and attributes of a node are not what they were."""
    body = _INVALID_NODE.pack(node, 0, 0)
    return ANSWER.pack(ANSWER.size + len(body), _NOTIFY_INVALID_NODE, 0) + body


def forget_name(directory: int, name: str) -> bytes:
    """A message to the kernel: a name does not stand for what it did."""
    raw = os.fsencode(name)
    body = _INVALID_NAME.pack(directory, len(raw), 0) + raw + b"\0"
    return ANSWER.pack(ANSWER.size + len(body), _NOTIFY_INVALID_NAME, 0) + body
