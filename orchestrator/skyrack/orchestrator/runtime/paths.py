"""Where a run keeps its sockets and its results, and which runs are up on this machine.

<base>/<run>/            0700; sockets and the little that a later command needs: gone after `down`
    run.json             pid of the run's init, run directory, HTTP address
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
import shutil
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

# A Unix socket's path holds 107 bytes; `nodes/` and `.metrics.sock` need room for a node's name.
MAX_SOCKET_PATH_BYTES = 107
LONGEST_NODE_NAME = 32


@dataclass(frozen=True)
class RunRecord:
    """What a command needs to find a run."""

    run: str
    pid: int
    run_dir: str
    scenario_digest: str
    state: str  # "starting" | "up"
    http: str = ""


class Busy(Exception):
    """Another process holds the run's name."""


def base_dir() -> Path:
    """Directory of all runs of this user."""
    if chosen := os.environ.get("SKYRACK_SOCKET_DIR"):
        return Path(chosen)
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(runtime) / "skyrack"
    return Path("/run/skyrack") if os.getuid() == 0 else Path(f"/tmp/skyrack-{os.getuid()}")


def socket_dir(run: str) -> Path:
    """Directory of one run's sockets. Raises ValueError when a socket in it could not have a legal path."""
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

    Raises Busy when a live process has it. The lock is advisory and ends with the descriptor's last holder, so a kill
    leaves nothing to clean by hand.
    """
    base = base_dir()
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    if base.stat().st_uid != os.getuid():
        raise PermissionError(f"{base} belongs to another user; set SKYRACK_SOCKET_DIR")
    path = socket_dir(run)
    lock = _lock(run)
    if lock is None:
        raise Busy(run)
    shutil.rmtree(path, ignore_errors=True)
    (path / "nodes").mkdir(parents=True, mode=0o700)
    path.chmod(0o700)
    return path, lock


def release(run: str) -> None:
    """Remove what a run that has ended left here; does nothing while a process holds it."""
    lock = _lock(run) if (base_dir() / f"{run}.lock").exists() else None
    if lock is None:
        return
    shutil.rmtree(base_dir() / run, ignore_errors=True)
    (base_dir() / f"{run}.lock").unlink(missing_ok=True)
    os.close(lock)
    with contextlib.suppress(OSError):
        base_dir().rmdir()


def _lock(run: str) -> int | None:
    """A descriptor that holds the run's lock; None when somebody else does."""
    path = base_dir() / f"{run}.lock"
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(lock).st_ino:
                return lock
        os.close(lock)  # `release` removed the file in between: lock the new one


def is_held(run: str) -> bool:
    """Whether a live process holds the run's name."""
    try:
        lock = os.open(base_dir() / f"{run}.lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def write_record(record: RunRecord) -> None:
    """Publish the record (whole or not at all)."""
    path = base_dir() / record.run / "run.json"
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(asdict(record)))
    temporary.replace(path)


def read_record(run: str) -> RunRecord | None:
    """The record of a live run; None when there is no such run."""
    if not is_held(run):
        return None
    try:
        return RunRecord(**json.loads((base_dir() / run / "run.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def live_runs() -> list[str]:
    """Names of this user's runs that a process holds, sorted."""
    try:
        names = sorted(path.stem for path in base_dir().glob("*.lock"))
    except OSError:
        return []
    return [name for name in names if is_held(name)]


def leftovers() -> list[str]:
    """Names of runs that were killed and left files behind, sorted."""
    try:
        names = sorted(path.stem for path in base_dir().glob("*.lock"))
    except OSError:
        return []
    return [name for name in names if not is_held(name)]


def new_run_dir(parent: Path, name: str, now: datetime) -> Path:
    """Create `<parent>/<UTC stamp>-<name>` and point `<parent>/latest` at it. Raises OSError."""
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
    (path / "logs").mkdir()
    link = parent / f".latest-{os.getpid()}"
    link.unlink(missing_ok=True)
    link.symlink_to(path.name)
    link.replace(parent / "latest")
    return path
