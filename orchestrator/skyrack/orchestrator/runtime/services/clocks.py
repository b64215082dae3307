"""Clocks of services that want one of their own: libfaketime, which reads what to add to the wall clock from a file.

The monotonic clock stays, and with it sleeps and time-outs. Of the functions in OURS libfaketime takes a deadline on the
monotonic clock for one on the wall clock, so a sleep of Python would end at once; programs get a copy without them. Deadlines
on the wall clock, which are rare there, are the kernel's then.

libfaketime wants a semaphore and a shared memory of each
program. By itself it names them after a pid, which is not unique where each node has its own pids; so they are made here.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
from pathlib import Path

from skyrack.orchestrator.runtime.services.elf import why_not_preloaded, without
from skyrack.orchestrator.runtime.services.records import write_down, written_down
from skyrack.orchestrator.runtime.services.services import CannotPrepare
from skyrack.orchestrator.scenario import Service

PLACE = ".clocks"  # beside the data directories
LIBRARY = "faketime/libfaketimeMT.so.1"
OURS = ("clock_nanosleep", "timerfd_settime", "timerfd_gettime")
_COPY = "libfaketime.so"
_SHARED = Path("/dev/shm")
# Before an allocator that asks for the time while it starts, as jemalloc does: libfaketime would wait for itself.
_C_LIBRARY = "libc.so.6"
_SHARED_BYTES = 4096  # more than it uses
_libc = ctypes.CDLL(None, use_errno=True)
_libc.sem_open.restype = ctypes.c_void_p
_libc.sem_open.argtypes = (ctypes.c_char_p, ctypes.c_int, ctypes.c_uint, ctypes.c_uint)
_libc.sem_close.argtypes = (ctypes.c_void_p,)
_Key = tuple[str, str]  # node, service


class Clocks:
    """All of a run. `place`: a directory PLACE that nodes see; `record` is the file that says what a killed run leaves."""

    def __init__(self, run: str, place: Path, outside: Path, record: Path) -> None:
        """`outside`: where `place` is found after the run."""
        self._name = f"skyrack-{run}-{secrets.token_hex(4)}"
        self._place = place
        self._outside = outside
        self._record = record
        self._shared: dict[_Key, str] = {}

    def __contains__(self, key: _Key) -> bool:
        return key in self._shared

    def prepare(self, key: _Key, service: Service) -> dict[str, str]:
        """Variables that make the clock of a service ours. Raises CannotPrepare, OSError."""
        library = find_library()
        if library is None:
            raise CannotPrepare(
                "faults: [clock]: libfaketime is not installed: on Debian and Ubuntu, apt-get install libfaketime"
            )
        if service.command and (why_not := why_not_preloaded(service.command[0], service.env.get("PATH"))):
            raise CannotPrepare(f"faults: [clock]: {why_not}: libfaketime cannot act on it")
        if key not in self._shared:
            name = f"{self._name}-{len(self._shared)}"
            paths = (_SHARED / f"sem.{name}", _SHARED / name, self._outside / _file_name(key))
            write_down(self._record, *paths)
            self._copy(library)
            _make_semaphore(name)
            _make_memory(name)
            self._shared[key] = name
            self.set(key, 0.0)
        name = self._shared[key]
        return {
            "LD_PRELOAD": f"{self._place / _COPY}:{_C_LIBRARY}",
            "FAKETIME_TIMESTAMP_FILE": str(self._place / _file_name(key)),
            "FAKETIME_NO_CACHE": "1",  # else it would look every 10 s
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_SHARED": f"/{name} /{name}",
            "NO_FAKE_STAT": "1",  # else each stat takes the semaphore, with which a program may be killed
            "LC_NUMERIC": "C",  # it reads the offset as the locale writes numbers
        }

    def _copy(self, library: Path) -> None:
        copy = self._place / _COPY
        if copy.exists():
            return
        if set(str(copy)) & set(" :"):
            raise CannotPrepare(
                f"faults: [clock]: {copy}: a library cannot be loaded from a path with a space or colon"
            )
        self._place.mkdir(mode=0o711, exist_ok=True)
        if os.statvfs(self._place).f_flag & os.ST_NOEXEC:
            raise CannotPrepare(
                f"faults: [clock]: {self._place} is mounted noexec: choose another place with --runs"
            )
        write_down(self._record, self._outside / _COPY)
        copy.write_bytes(without(library.read_bytes(), OURS))
        copy.chmod(0o755)

    def set(self, key: _Key, offset_s: float) -> None:
        """Let the programs of a service read the wall clock with that added, from now on. Raises OSError."""
        file = self._place / _file_name(key)
        new = file.with_name(f"{file.name}.new")
        new.write_text(f"{offset_s:+.6f}\n")
        new.chmod(0o644)
        new.replace(file)

    def end(self) -> None:
        """Leave nothing."""
        remove_recorded(self._record)


def _file_name(key: _Key) -> str:
    return ".".join(key)


def find_library() -> Path | None:
    """Where libfaketime is; None where it is not installed."""
    roots = [Path("/usr/lib"), Path("/usr/lib64"), Path("/usr/local/lib")]
    directories = [*roots, *sorted(Path("/usr/lib").glob("*-linux-gnu*"))]
    return next((path for place in directories if (path := place / LIBRARY).is_file()), None)


def remove_recorded(record: Path) -> None:
    """Remove what a run has written down, and the directory of its files once it is empty."""
    for path in written_down(record):
        if path.parent == _SHARED and "skyrack-" in path.name:
            path.unlink(missing_ok=True)
        elif path.parent.name == PLACE:
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                path.parent.rmdir()
    record.unlink(missing_ok=True)


def _make_semaphore(name: str) -> None:
    semaphore = _libc.sem_open(f"/{name}".encode(), os.O_CREAT | os.O_EXCL, 0o666, 1)
    if not semaphore:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(_SHARED / f"sem.{name}"))
    _libc.sem_close(semaphore)
    (_SHARED / f"sem.{name}").chmod(0o666)


def _make_memory(name: str) -> None:
    path = _SHARED / name
    path.write_bytes(bytes(_SHARED_BYTES))
    path.chmod(0o666)
