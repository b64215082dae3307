"""Process ids across PID namespaces: the run counts from one inside its own, the measurement looks from outside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from skyrack.v1 import namespaces

_PROC = Path("/proc")


def fabric_pid(socket_dir: Path, inner: int | None) -> int | None:
    """The fabric's pid as seen from here: the child of whoever serves the API that the run knows as `inner`."""
    if inner is None:
        return None
    try:
        return child_with_inner_pid(namespaces.pid_of_socket(socket_dir / "api.sock"), inner)
    except OSError:
        return None


def child_with_inner_pid(parent: int, inner: int) -> int | None:
    """The child of `parent` that knows itself as `inner` in its own PID namespace, as a pid of ours; else None."""
    for child in _children(parent):
        try:
            lines = (_PROC / str(child) / "status").read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            if line.startswith("NSpid:") and int(line.split()[-1]) == inner:
                return child
    return None


def _children(parent: int) -> Iterator[int]:
    for file in (_PROC / str(parent) / "task").glob("*/children"):
        try:
            yield from map(int, file.read_text().split())
        except OSError:
            continue
