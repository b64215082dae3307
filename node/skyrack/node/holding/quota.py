"""A control group with a quota that processes are put in, and back to where they came from."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from skyrack.node.process import Process


class Quota:
    """`group`: HOME/skyrack-RUN-xxxx/NAME, which somebody made in a hierarchy with the controller for CPU time."""

    def __init__(self, group: str) -> None:
        self._group = Path(group)
        self._home = self._group.parent.parent
        self._unified = (self._home / "cgroup.controllers").exists()
        self._from: dict[int, Path] = {}

    def put(self, members: Mapping[int, Process]) -> None:
        """Those that are not there yet; who left is put back. Raises OSError."""
        there = self._there()
        for pid, member in members.items():
            if pid in there:
                # Born there, as a child of one that came from somewhere.
                self._from.setdefault(pid, self._from.get(member.parent, self._home))
                continue
            self._from[pid] = self._place_of(pid)
            with contextlib.suppress(ProcessLookupError):
                _move(pid, self._group)

    def let_go(self) -> None:
        """Put all back. Raises OSError."""
        while pids := self._there():  # who forks meanwhile has children here
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    try:
                        _move(pid, self._from.get(pid, self._home))
                    except FileNotFoundError:  # the group of a service that was removed meanwhile
                        _move(pid, self._home)

    def _there(self) -> set[int]:
        return set(map(int, (self._group / "cgroup.procs").read_text().split()))

    def _place_of(self, pid: int) -> Path:
        """Where a process is: in the group of a service, which is beside this one, or where everybody is."""
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
                number, _, place = line.split(":", 2)
                if Path(place).parent.name == self._group.parent.name:
                    return self._group.with_name(Path(place).name)
                if number == "0" and self._unified:
                    return self._home / place.lstrip("/")
        return self._home


def _move(pid: int, place: Path) -> None:
    descriptor = os.open(place / "cgroup.procs", os.O_WRONLY)
    try:
        os.write(descriptor, str(pid).encode())
    finally:
        os.close(descriptor)
