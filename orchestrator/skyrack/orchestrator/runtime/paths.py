"""Where a run keeps its sockets and its results, and which runs are up on this machine.

<base>/<run>/            0700; sockets and the little that a later command needs: gone after `down`
    run.json             pid of the run's outermost process, run directory
    api.sock             HTTP/JSON for this user's commands
    control.sock         gRPC: nodes join here
    fabric.sock          nodes attach here
    hosts                names of all nodes, mounted over /etc/hosts inside every node
    nodes/<name>.sock    management socket of one node
runs/<stamp>-<name>/     scenario, plan, events, logs, results: kept
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import struct
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from skyrack.orchestrator.runtime.files import write_whole
from skyrack.orchestrator.runtime.services.leftovers import remove_left

# A Unix socket's path holds 107 bytes; `nodes/` and `.metrics.sock` need room for a node's name.
MAX_SOCKET_PATH_BYTES = 107
LONGEST_NODE_NAME = 32
MOST_ATTEMPTS = 100
_OTHERS_WRITE = 0o022
_RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_FLOCK = struct.Struct("hhqqi0q")  # struct flock of 64-bit Linux: l_type, l_whence, l_start, l_len, l_pid


@dataclass(frozen=True)
class RunRecord:
    """What a command needs to find a run."""

    run: str
    pid: int
    run_dir: str
    scenario_digest: str


class Busy(Exception):
    """Another process holds the run's name."""


def base_dir() -> Path:
    """Directory of all runs of this user."""
    if chosen := os.environ.get("SKYRACK_SOCKET_DIR"):
        return Path(chosen)
    # After `su` the variable often still names somebody else's directory: then it is as good as unset.
    if (runtime := os.environ.get("XDG_RUNTIME_DIR")) and _is_mine(Path(runtime)):
        return Path(runtime) / "skyrack"
    return Path("/run/skyrack") if os.getuid() == 0 else Path(f"/tmp/skyrack-{os.getuid()}")


def _is_mine(path: Path) -> bool:
    try:
        return path.is_absolute() and path.is_dir() and path.stat().st_uid == os.getuid()
    except OSError:
        return False


def is_run_name(text: str) -> bool:
    """Whether a run may be called so: a name becomes part of paths, so it can hold neither `/` nor `.`."""
    return _RUN_NAME.fullmatch(text) is not None


def socket_dir(run: str) -> Path:
    """Directory of one run's sockets. Raises ValueError: not a run's name, or a socket could not have a legal path."""
    if not is_run_name(run):
        raise ValueError(f"{run!r} cannot name a run: up to 63 letters, digits, - and _")
    path = base_dir() / run
    longest = len(os.fsencode(path / "nodes")) + 1 + LONGEST_NODE_NAME + len(".metrics.sock")
    if longest > MAX_SOCKET_PATH_BYTES:
        raise ValueError(
            f"{path} is too long for Unix sockets ({longest} bytes with a node's name, {MAX_SOCKET_PATH_BYTES} at most); "
            "set SKYRACK_SOCKET_DIR to a short directory"
        )
    return path


def claim(run: str) -> tuple[Path, int]:
    """The run's socket directory, emptied of what a killed run left, and a descriptor that holds its lock.

    Raises Busy when a live process has it, ValueError for a bad name, OSError. The lock is advisory and ends with the
    descriptor's last holder, so a kill leaves nothing to clean by hand.
    """
    path = socket_dir(run)
    lock = _lock_in_new_base(run)
    if lock is None:
        raise Busy(run)
    try:
        _remove(path)
        (path / "nodes").mkdir(parents=True, mode=0o700)
        path.chmod(0o700)
    except BaseException:
        release(run, lock)
        raise
    return path, lock


def _lock_in_new_base(run: str) -> int | None:
    """A descriptor that holds the run's lock, in a base directory made for it; None when somebody else holds it."""
    base = base_dir()
    for attempt in range(MOST_ATTEMPTS):
        try:
            base.mkdir(mode=0o700, parents=True, exist_ok=True)
            _require_mine(base)
            return _lock(run, create=True)
        except (FileNotFoundError, FileExistsError):
            # Another command, releasing the last run here, removed the directory in between: make it again.
            # Asking what is there now would race as well: something else than a directory just fails to the end.
            if attempt == MOST_ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def _require_mine(base: Path) -> None:
    """Raise PermissionError where somebody else could put another directory in the place of a run's."""
    found = base.stat()
    # A link in /tmp that another user made may lead to a directory of ours: what is in there is not ours to remove.
    if found.st_uid != os.getuid() or base.lstat().st_uid not in (os.getuid(), 0):
        raise PermissionError(f"{base} belongs to another user; set SKYRACK_SOCKET_DIR")
    if found.st_mode & _OTHERS_WRITE:
        raise PermissionError(f"others can write to {base}: chmod go-w {base}, or set SKYRACK_SOCKET_DIR")


def release(run: str, lock: int | None = None) -> None:
    """Remove what a run that has ended left here; does nothing while another process holds it.

    `lock` is what `claim` gave, where this process still has it; it is closed.
    """
    if lock is None and is_run_name(run):
        lock = _lock(run, create=False)
    if lock is None:
        return
    _remove(base_dir() / run)
    (base_dir() / f"{run}.lock").unlink(missing_ok=True)
    os.close(lock)
    with contextlib.suppress(OSError):
        base_dir().rmdir()


def _remove(path: Path) -> None:
    """Remove a run's socket directory, and what it says the run has made elsewhere."""
    remove_left(path)
    shutil.rmtree(path, ignore_errors=True)


def _lock(run: str, *, create: bool) -> int | None:
    """A descriptor that holds the run's lock; None when somebody else does, or there is no lock file to hold."""
    path = base_dir() / f"{run}.lock"
    while True:
        try:
            lock = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0), 0o600)
        except FileNotFoundError:
            if create:
                raise  # the last run's end has removed the directory
            return None
        try:
            fcntl.fcntl(lock, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
        except BlockingIOError:
            os.close(lock)
            return None
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(lock).st_ino:
                return lock
        os.close(lock)  # `release` removed the file in between: lock the new one


def is_held(run: str) -> bool:
    """Whether a live process holds the run's name."""
    return is_locked(base_dir() / f"{run}.lock")


def is_locked(path: Path) -> bool:
    """Whether a live process holds that lock. Only asks: taking the lock to see would make it look held to others."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        answer = fcntl.fcntl(file, fcntl.F_OFD_GETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    finally:
        os.close(file)
    return bool(_FLOCK.unpack(answer)[0] != fcntl.F_UNLCK)


def write_record(record: RunRecord) -> None:
    """Publish the record (whole or not at all)."""
    write_whole(base_dir() / record.run / "run.json", json.dumps(asdict(record)))


def read_record(run: str) -> RunRecord | None:
    """The record of a run that is up, or that was killed and not cleaned up after; None when there is none (yet)."""
    if not is_run_name(run):
        return None
    try:
        return RunRecord(**json.loads((base_dir() / run / "run.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def live_runs() -> list[str]:
    """Names of this user's runs that a process holds, sorted."""
    return [name for name in _known_runs() if is_held(name)]


def leftovers() -> list[str]:
    """Names of runs that were killed and left files behind, sorted."""
    return [name for name in _known_runs() if not is_held(name)]


def _known_runs() -> list[str]:
    try:
        return sorted(path.stem for path in base_dir().glob("*.lock") if is_run_name(path.stem))
    except OSError:
        return []


def new_run_dir(parent: Path, name: str, now: datetime) -> Path:
    """Create `<parent>/<UTC stamp>-<name>` with a directory for logs. Raises OSError, and leaves nothing then."""
    parent.mkdir(parents=True, exist_ok=True)
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    path = parent / f"{stamp}-{name}"
    number = 1
    while True:
        try:
            path.mkdir()
            break
        except FileExistsError:
            number += 1
            path = parent / f"{stamp}-{name}-{number}"
    try:
        (path / "logs").mkdir()
    except OSError:
        path.rmdir()
        raise
    return path


def point_latest_at(run_dir: Path) -> None:
    """Make `latest` beside the run directory a link to it. Raises OSError."""
    link = run_dir.parent / f".latest-{os.getpid()}"
    link.unlink(missing_ok=True)
    link.symlink_to(run_dir.name)
    link.replace(run_dir.parent / "latest")


def discard_run_dir(run_dir: Path) -> None:
    """Remove the directory of a run that never ran; `latest` goes back to the newest one left, if any."""
    shutil.rmtree(run_dir, ignore_errors=True)
    latest = run_dir.parent / "latest"
    with contextlib.suppress(OSError):
        if latest.is_symlink() and not latest.exists():
            latest.unlink()
            others = [path for path in run_dir.parent.iterdir() if (path / "scenario.yaml").exists()]
            if others:
                point_latest_at(max(others, key=lambda path: path.stat().st_mtime))
