"""A bit of a stored file is turned over: what no sum of the disk has found.

The file keeps its times, and the bit is on the disk when this returns. Programs see it when they read the file the next
time, those that have mapped it at once, those that keep a copy of their own never.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator

from skyrack.v1.draw import Draw


def flip(directories: Iterable[str], draw: Draw) -> str:
    """In one of the files below the directories, each as likely as it is long; what was done, in words. Raises OSError."""
    found = sorted(one for directory in directories for one in _files(directory))
    path = draw.weighted([path for path, _ in found], [size for _, size in found])
    if path is None:
        raise OSError("there is no file with anything in it")
    # Nobody can put a link to somewhere else in its place meanwhile.
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        before = os.fstat(descriptor)
        offset, bit = draw.below(before.st_size), draw.below(8)
        data = os.pread(descriptor, 1, offset)
        if not data:
            raise OSError(f"{path} has become shorter meanwhile")
        os.pwrite(descriptor, bytes((data[0] ^ 1 << bit,)), offset)
        os.fsync(descriptor)
        os.utime(descriptor, ns=(before.st_atime_ns, before.st_mtime_ns))
    finally:
        os.close(descriptor)
    return f"bit {bit} of byte {offset} of {path}: 0x{data[0]:02x} is 0x{data[0] ^ 1 << bit:02x} now"


def _files(directory: str) -> Iterator[tuple[str, int]]:
    """Regular files below it with their sizes; links are not followed, and what goes away meanwhile is left out."""
    for parent, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(parent, name)
            try:
                status = os.lstat(path)
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode) and status.st_size:
                yield path, status.st_size
