"""A bit of a process's memory is turned over, as a single event upset does it that nothing corrects.

/proc/PID/smaps: mappings --> pagemap: pages that are there --> /proc/PID/mem: read, turn over, write

The page is one of the process's own: private, writable and anonymous, so heap, stack or what it got by mmap. Those that a
fork shares are copied by the write, so nobody else has the bit. What the process writes to this byte between the
read and the write, some microseconds, is lost.
"""

from __future__ import annotations

import contextlib
import os
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from skyrack.node.process import read_text
from skyrack.v1.draw import Draw

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_ENTRY_BYTES = 8
_PRESENT, _OF_FILE = 1 << 63, 1 << 61
_PAGES_PER_READ = 65_536
_RESIDENT, _ANONYMOUS = "RssAnon:", "Anonymous:"


@dataclass(frozen=True, slots=True)
class Mapping:
    """Addresses from `first` up to `stop`; of `own_kb` of them the process has pages of its own."""

    first: int
    stop: int
    name: str
    own_kb: int


def own_kb(pid: int) -> int:
    """How much memory a process has that is no file's, in KiB; 0 where it has ended."""
    for line in read_text(f"/proc/{pid}/status").splitlines():
        if line.startswith(_RESIDENT):
            return int(line.split()[1])
    return 0


def may_be_written(pid: int) -> bool:
    """Whether its memory is to be had from here: a container without CAP_SYS_PTRACE, and Yama, keep some from it."""
    try:
        os.close(os.open(f"/proc/{pid}/mem", os.O_RDWR))
    except OSError:
        return False
    return True


def mappings(smaps: str) -> Iterator[Mapping]:
    """Those of a process that are private, writable and no file's."""
    first = stop = 0
    name: str | None = None
    for line in smaps.splitlines():
        words = line.split()
        if not words[0].endswith(":"):
            first, stop = (int(part, 16) for part in words[0].split("-"))
            is_own = words[1].startswith("rw") and words[1].endswith("p") and words[4] == "0"
            name = " ".join(words[5:]) if is_own else None
        elif words[0] == _ANONYMOUS and name is not None:
            yield Mapping(first, stop, name or "anonymous", int(words[1]))


def flip(pid: int, draw: Draw) -> str:
    """Turn a bit over; what was done, in words. Raises OSError, PermissionError too where the process may not be touched."""
    with open(f"/proc/{pid}/smaps", errors="replace") as file:
        found = [mapping for mapping in mappings(file.read()) if mapping.own_kb]
    mapping = draw.weighted(found, [mapping.own_kb for mapping in found])
    if mapping is None:
        raise OSError("it has no memory of its own")
    pages = _pages(pid, mapping)
    if not pages:
        raise OSError("its memory is swapped out")
    address = pages[draw.below(len(pages))] * _PAGE_BYTES + draw.below(_PAGE_BYTES)
    bit = draw.below(8)
    memory = os.open(f"/proc/{pid}/mem", os.O_RDWR)
    try:
        old = turn_over(memory, address, bit)
    finally:
        os.close(memory)
    return f"bit {bit} at 0x{address:x} ({mapping.name}): 0x{old:02x} is 0x{old ^ 1 << bit:02x} now"


def turn_over(memory: int, address: int, bit: int) -> int:
    """In an open /proc/PID/mem; the byte that was there. Raises OSError, also where the process has ended since."""
    data = os.pread(memory, 1, address)  # nothing of a process whose memory is gone
    if not data or not os.pwrite(memory, bytes((data[0] ^ 1 << bit,)), address):
        raise OSError("it has ended meanwhile")
    return data[0]


def _pages(pid: int, mapping: Mapping) -> list[int]:
    """Numbers of the mapping's pages that are in memory and the process's own."""
    pages: list[int] = []
    stop = mapping.stop // _PAGE_BYTES
    with contextlib.closing(_Pagemap(pid)) as pagemap:
        for first in range(mapping.first // _PAGE_BYTES, stop, _PAGES_PER_READ):
            entries = pagemap.read(first, min(_PAGES_PER_READ, stop - first))
            pages += [
                first + at for at, entry in enumerate(entries) if entry & _PRESENT and not entry & _OF_FILE
            ]
    return pages


class _Pagemap:
    def __init__(self, pid: int) -> None:
        self._fd = os.open(f"/proc/{pid}/pagemap", os.O_RDONLY)

    def read(self, first: int, count: int) -> array[int]:
        entries = array("Q")
        data = os.pread(self._fd, count * _ENTRY_BYTES, first * _ENTRY_BYTES)
        entries.frombytes(data[: len(data) // _ENTRY_BYTES * _ENTRY_BYTES])
        return entries

    def close(self) -> None:
        os.close(self._fd)
