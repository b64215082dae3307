"""Control groups of services: CPU time and memory, where this user may have them.

version 1    <own cpu group>/skyrack-RUN-xxxx/NODE.SERVICE, and the same below the own memory group
version 2    /sys/fs/cgroup/skyrack-RUN-xxxx/NODE.SERVICE: below the root, which may have processes and children

What is made is written down first, one directory per line, so that whoever finds a killed run can remove it.
"""

from __future__ import annotations

import contextlib
import errno
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PERIOD_US = 20_000  # short, so that a service with half a core is never still for longer than 10 ms
SMALLEST_QUOTA_US = 1_000  # the kernel's
MB = 1_000_000
GONE_S = 2.0
GONE_LOOK_S = 0.02
_HIERARCHIES = Path("/sys/fs/cgroup")
CONTROLLERS = ("cpu", "memory")


@dataclass(frozen=True, slots=True)
class Hierarchies:
    """Where this process's group is, per controller; the same directory for both in version 2."""

    version: int
    dirs: Mapping[str, Path]


@dataclass(slots=True)
class Group:
    """The directories of one service at one node, and what could not be had, each in a sentence."""

    dirs: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    memory: Path | None = None

    def oom_kills(self) -> int:
        """How many processes the kernel has killed here for want of memory."""
        if self.memory is None:
            return 0
        for name in ("memory.events", "memory.oom_control"):
            with contextlib.suppress(OSError, ValueError, IndexError):
                for line in (self.memory / name).read_text().splitlines():
                    if line.startswith("oom_kill "):
                        return int(line.split()[1])
        return 0


def find_hierarchies(own: str, root: Path = _HIERARCHIES) -> Hierarchies | None:
    """The hierarchies that `own`, the text of /proc/self/cgroup, and the mounts below `root` offer; None without both."""
    places = dict(line.split(":", 2)[1:] for line in own.splitlines() if line.count(":") >= 2)
    if (root / "cgroup.controllers").exists():
        return Hierarchies(2, dict.fromkeys(CONTROLLERS, root))
    dirs = {}
    for names, place in places.items():
        for controller in set(CONTROLLERS) & set(names.split(",")):
            mounted = root / controller
            # Inside a container the path is the host's, and what is mounted begins at the own group.
            inside = mounted / place.lstrip("/")
            dirs[controller] = inside if inside.is_dir() else mounted
    return Hierarchies(1, dirs) if set(dirs) == set(CONTROLLERS) else None


class Groups:
    """The control groups of a run. `record` is the file that says what has been made."""

    def __init__(self, run: str, record: Path, hierarchies: Hierarchies | None) -> None:
        self._record = record
        self._hierarchies = hierarchies
        self._name = f"skyrack-{run}-{secrets.token_hex(4)}"
        self._made: list[Path] = []

    def make(self, node: str, service: str, cpu_cores: float | None, memory_mb: float | None) -> Group:
        """A group with the limits that are not None; what cannot be had is in its notes."""
        group = Group()
        for controller, wanted in (("cpu", cpu_cores), ("memory", memory_mb)):
            if wanted is None:
                continue
            if self._hierarchies is None:
                group.notes.append(f"no {controller} limit: no control groups here")
                continue
            try:
                place = self._hierarchies.dirs[controller] / self._name / f"{node}.{service}"
                self._make(place)
                _limit(place, controller, self._hierarchies.version, wanted)
            except OSError as error:
                group.notes.append(f"no {controller} limit: control groups: {_why(error)}")
                continue
            if place not in group.dirs:
                group.dirs.append(place)
            if controller == "memory":
                group.memory = place
        return group

    def share(self, name: str, cpu_ratio: float) -> Path | None:
        """A group for processes of several services, with that share of a core; None where it cannot be had.

        With version 2 (`in_one`) whoever is put there leaves the group that limits its memory.
        """
        if self._hierarchies is None:
            return None
        place = self._hierarchies.dirs["cpu"] / self._name / name
        try:
            self._make(place)
            _limit(place, "cpu", self._hierarchies.version, cpu_ratio)
        except OSError:
            return None
        return place

    @property
    def in_one(self) -> bool:
        """Whether a group limits both time and memory, as in version 2."""
        return self._hierarchies is not None and self._hierarchies.version == 2

    def remove(self, group: Group) -> None:
        """Remove a group that has no processes any more."""
        for place in group.dirs:
            self.remove_dir(place)

    def remove_dir(self, place: Path) -> None:
        """Remove one directory, once nothing runs there."""
        with contextlib.suppress(OSError):
            place.rmdir()
            self._made.remove(place)

    def end(self) -> None:
        """Remove all that was made, once nothing runs there."""
        remove_recorded(self._record)

    def _make(self, place: Path) -> None:
        for directory in (place.parent, place):
            if directory not in self._made:
                with self._record.open("a") as record:
                    record.write(f"{directory}\n")
                directory.mkdir(exist_ok=True)
                self._made.append(directory)
        if self._hierarchies is not None and self._hierarchies.version == 2:
            for parent in (place.parent.parent, place.parent):
                (parent / "cgroup.subtree_control").write_text("+cpu +memory")


def remove_recorded(record: Path) -> None:
    """Remove the control groups that a run has written down, innermost first; those in use stay.

    The last processes of a run that was killed may be ending yet: in use is who is there for GONE_S.
    """
    try:
        lines = record.read_text().splitlines()
    except OSError:
        return
    deadline_s = time.monotonic() + GONE_S
    for line in reversed(lines):
        if "/skyrack-" in line:
            while _is_busy(Path(line)) and time.monotonic() < deadline_s:
                time.sleep(GONE_LOOK_S)


def _is_busy(group: Path) -> bool:
    """Try to remove it; whether somebody is in there."""
    try:
        group.rmdir()
    except OSError as error:
        return error.errno == errno.EBUSY
    return False


def _limit(place: Path, controller: str, version: int, wanted: float) -> None:
    if controller == "memory":
        name = "memory.max" if version == 2 else "memory.limit_in_bytes"
        (place / name).write_text(str(round(wanted * MB)))
        return
    period_us = PERIOD_US
    quota_us = round(wanted * period_us)
    if quota_us < SMALLEST_QUOTA_US:
        period_us, quota_us = 1_000_000, max(SMALLEST_QUOTA_US, round(wanted * 1_000_000))
    if version == 2:
        (place / "cpu.max").write_text(f"{quota_us} {period_us}")
    else:
        (place / "cpu.cfs_period_us").write_text(str(period_us))
        (place / "cpu.cfs_quota_us").write_text(str(quota_us))


def _why(error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "this user may not have them (root may)"
    return error.strerror or str(error)
