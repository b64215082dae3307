"""File systems in user space under the data directories of services that want them: mounts, and the process that serves them.

this process --mount--> data/NODE/SERVICE    seen by its node, as every mount there
     |                       | kernel
     '--socket, descriptors--> storage process: one for the run, started with the first disk, dies with its socket
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from skyrack.orchestrator.runtime.services.records import write_down, written_down
from skyrack.orchestrator.runtime.services.services import CannotPrepare
from skyrack.orchestrator.storage.disk import KEPT
from skyrack.v1 import namespaces

DEVICE = Path("/dev/fuse")
ANSWER_S = 30.0
END_S = 5.0
_ENDED = "its file system process has ended"
_OPTIONS = "rootmode=40755,user_id=0,group_id=0,allow_other,default_permissions"
_Key = tuple[str, str]  # node, service


class DiskError(Exception):
    """It could not be done; the text says why."""


class Disks:
    """All of a run. `record` is the file that says what a killed run leaves; `died` is called if the process ends by itself."""

    def __init__(self, log: Path, scratch: Path, record: Path, died: Callable[[int], None]) -> None:
        self._log = log
        self._scratch = scratch
        self._record = record
        self._died = died
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._numbers: dict[_Key, int] = {}
        self._places: dict[_Key, Path] = {}
        self._last = 0
        self._asked = 0
        self._pidfd = -1

    def __contains__(self, key: _Key) -> bool:
        return key in self._numbers

    @property
    def pid(self) -> int:
        """Of the process; 0 before the first disk."""
        return self._process.pid if self._process is not None else 0

    def mount(self, key: _Key, place: Path, outside: Path) -> None:
        """Put one over the directory `place`, whose files are found at `outside` after the run. Raises CannotPrepare."""
        if key in self._numbers:
            return
        if self._process is None:
            self._start()
        write_down(self._record, outside / KEPT)
        self._last += 1
        with contextlib.ExitStack() as opened:
            try:
                directory = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                opened.callback(os.close, directory)
                device = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
                opened.callback(os.close, device)
                flags = namespaces.MS_NOSUID | namespaces.MS_NODEV
                namespaces.mount("skyrack", place, "fuse.skyrack", flags, f"fd={device},{_OPTIONS}")
            except OSError as error:
                raise CannotPrepare(f"faults: [disk]: {_why_no_mount(error)}") from error
            try:
                self.ask(self._last, "add", fds=(device, directory))
            except DiskError as error:
                namespaces.unmount(place)
                raise CannotPrepare(f"faults: [disk]: {error}") from error
        self._numbers[key], self._places[key] = self._last, place

    def unmount(self, key: _Key) -> None:
        """The files stay."""
        if key not in self._numbers:
            return
        number, place = self._numbers.pop(key), self._places.pop(key)
        with contextlib.suppress(OSError):
            namespaces.unmount(place)
        with contextlib.suppress(DiskError):
            self.ask(number, "remove")

    async def tell(self, key: _Key, op: str, **fields: Any) -> dict[str, Any]:
        """Ask the process about a disk, without keeping others waiting. Raises DiskError."""
        return await asyncio.to_thread(self.ask, self._numbers[key], op, **fields)

    def settle(self, node: str) -> None:
        """All that services of a node have written is certain. Raises OSError."""
        for key, number in self._numbers.items():
            if key[0] == node:
                try:
                    self.ask(number, "settle")
                except DiskError as error:
                    raise OSError(str(error)) from error

    def ask(self, number: int, op: str, fds: Sequence[int] = (), **fields: Any) -> dict[str, Any]:
        """One request and its answer. Raises DiskError."""
        with self._lock:
            if self._socket is None:
                raise DiskError(_ENDED)
            self._asked += 1
            request = {"request": self._asked, "op": op, "disk": number, **fields}
            try:
                socket.send_fds(self._socket, [json.dumps(request).encode()], list(fds))
                said = self._answer(self._socket)
            except TimeoutError as error:
                raise DiskError(f"its file system process has not answered within {ANSWER_S:g} s") from error
            except OSError as error:
                raise DiskError(f"its file system process: {error.strerror or error}") from error
        if not said.pop("ok"):
            raise DiskError(said["error"])
        return said

    def _answer(self, answers: socket.socket) -> dict[str, Any]:
        """To what was asked last; those to what was given up are passed over. Raises DiskError, OSError."""
        while data := answers.recv(65_536):
            said: dict[str, Any] = json.loads(data)
            if said.pop("request") == self._asked:
                return said
        raise DiskError(_ENDED)

    def end(self) -> None:
        """Unmount all, and let the process clear up and end."""
        for key in list(self._numbers):
            self.unmount(key)
        if self._process is None:
            return
        self._unwatch()
        if self._socket is not None:
            self._socket.close()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        remove_recorded(self._record)

    def _start(self) -> None:
        if not DEVICE.exists():
            raise CannotPrepare(
                f"faults: [disk]: there is no {DEVICE} here: load the module with `modprobe fuse`"
            )
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(ANSWER_S)
        with theirs, self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "skyrack.orchestrator.storage",
                 "--fd", str(theirs.fileno()), "--scratch", str(self._scratch)],
                pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self._socket = ours
        self._pidfd = os.pidfd_open(self._process.pid)
        asyncio.get_running_loop().add_reader(self._pidfd, self._ended)

    def _unwatch(self) -> None:
        if self._pidfd >= 0:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1

    def _ended(self) -> None:
        """It ended by itself: nothing can be read or written there any more."""
        self._unwatch()
        assert self._process is not None
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None
        self._died(self._process.wait())


def remove_recorded(record: Path) -> None:
    """Remove what a killed run kept of removed files."""
    for path in written_down(record):
        if path.name == KEPT:
            shutil.rmtree(path, ignore_errors=True)
    record.unlink(missing_ok=True)


def _why_no_mount(error: OSError) -> str:
    if isinstance(error, PermissionError) and error.filename == str(DEVICE):
        return (
            f"this user may not open {DEVICE}: sudo chmod 666 {DEVICE}, which is what most distributions set"
        )
    if isinstance(error, PermissionError):
        return f"{error.strerror}: a mount in an unprivileged run needs Linux 4.18"
    return error.strerror or str(error)
