"""Where services keep their files: RUN_DIR/data/NODE/SERVICE, and how nodes get to see that.

It is a mount of its own that nodes receive later mounts from: a limited service gets a file system of its size in there
while nodes run already. As root it lies at a path that every user can reach, because a service with a `user` could not
pass the closed directories above a run's (/root for instance).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from skyrack.v1 import namespaces

MB = 1_000_000
_OTHERS_PASS = 0o001


@dataclass(frozen=True, slots=True)
class Erased:
    """What was removed of a service's data: how many files, how much was in them, and how many could not be removed."""

    service: str
    files: int
    size_bytes: int
    left: int

    @property
    def words(self) -> str:
        """The same, in words."""
        files = f"{self.files} file{'' if self.files == 1 else 's'}"
        left = f", {self.left} could not be" if self.left else ""
        return f"removed the data of {self.service}: {files}, {self.size_bytes:,} bytes{left}"


class DataDirs:
    """The data directories of a local run, in the mount namespace of the calling process, which has to be the run's own."""

    def __init__(self, run: str, run_dir: Path, record: Path) -> None:
        """Before the first node starts: nodes receive mounts only where they came with the mount that holds them.

        `record` says which directory to remove outside of `run_dir` afterwards. Raises OSError.
        """
        self._record = record
        self._place = run_dir / "data"
        self._place.mkdir(exist_ok=True)
        self._root = self._place  # as nodes see it
        if os.getuid() == 0 and _is_real_root() and not _others_reach(self._place):
            self._root = Path(tempfile.mkdtemp(prefix=f"skyrack-{run}-"))
            record.write_text(f"{self._root}\n")
            self._root.chmod(0o711)
        namespaces.mount(os.fspath(self._place), self._root, None, namespaces.MS_BIND)
        namespaces.mount("none", self._root, None, namespaces.MS_SHARED)

    @property
    def root(self) -> Path:
        """Where they are, as nodes see it."""
        return self._root

    @property
    def outside(self) -> Path:
        """The same directory, as it is found after the run."""
        return self._place

    def make(self, node: str, service: str, disk_mb: float | None) -> tuple[Path, list[str]]:
        """The directory of a service at a node, and what could not be had. Raises OSError when there is none."""
        notes = []
        place = self._root / node / service
        fresh = not place.exists()
        place.mkdir(parents=True, exist_ok=True)
        if fresh and disk_mb is not None:
            flags = namespaces.MS_NOSUID | namespaces.MS_NODEV
            try:
                namespaces.mount("tmpfs", place, "tmpfs", flags, f"size={round(disk_mb * MB)},mode=755")
            except OSError as error:
                notes.append(f"no disk limit: {error.strerror or error}")
        return place, notes

    def remove(self, node: str, service: str) -> None:
        """Remove a service's directory with all that is in it."""
        place = self._root / node / service
        with contextlib.suppress(OSError):
            if place.is_mount():
                namespaces.unmount(place)
        shutil.rmtree(place, ignore_errors=True)
        with contextlib.suppress(OSError):
            place.parent.rmdir()

    def erase(self, node: str) -> list[Erased]:
        """Remove what all services of a node have written, not the directories themselves. Raises OSError."""
        return [empty(place, place.name) for place in sorted((self._root / node).glob("*"))]

    def end(self) -> None:
        """Leave nothing but files in the run directory."""
        with contextlib.suppress(OSError):
            namespaces.unmount(self._root)
        remove_recorded(self._record)
        with contextlib.suppress(OSError):
            self._place.rmdir()  # where no service has been


def empty(place: Path, service: str) -> Erased:
    """Remove what a service has written to its directory, not the directory itself. Raises OSError."""
    files, size_bytes = _amount(place)
    for entry in place.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
    left, _ = _amount(place)
    return Erased(service, files - left, size_bytes, left)


def remove_recorded(record: Path) -> None:
    """Remove the mount point that a run has written down."""
    with contextlib.suppress(OSError):
        root = Path(record.read_text().strip())
        if root.name.startswith("skyrack-"):
            root.rmdir()


def _amount(place: Path) -> tuple[int, int]:
    """How many files there are below a directory, and their bytes."""
    sizes = [
        os.lstat(os.path.join(directory, name)).st_size
        for directory, _, names in os.walk(place)
        for name in names
    ]
    return len(sizes), sum(sizes)


def _is_real_root() -> bool:
    """Whether this process's root is everybody's: in a user namespace of one user all files have one owner anyway."""
    with contextlib.suppress(OSError):
        return Path("/proc/self/uid_map").read_text().split()[-1] != "1"
    return True


def _others_reach(place: Path) -> bool:
    """Whether every user can pass the directories down to `place`."""
    return all(parent.stat().st_mode & _OTHERS_PASS for parent in (place, *place.absolute().parents))
