"""Process ids across PID namespaces, for showing: the run counts from one inside its own, its user looks from outside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from skyrack.v1 import namespaces

_PROC = Path("/proc")


def with_host_pids(status: Mapping[str, Any], socket_dir: Path) -> dict[str, Any]:
    """A run's status with `pid` of the orchestrator, the fabric and every node as this process sees them; None if
    gone, or in a PID namespace that cannot be seen from here.

    The run knows its processes by the ids of its own PID namespace, which mean something else, or nothing, outside.
    """
    orchestrator = _listener(socket_dir / "api.sock")
    inner = status["fabric"]["inner_pid"]
    fabric = child_with_inner_pid(orchestrator, inner) if orchestrator and inner else None
    sockets = Path(status["mesh_dir"], "nodes")
    nodes = [
        {**node, "pid": _listener(sockets / f"{node['name']}.sock") if node["inner_pid"] else None}
        for node in status["nodes"]
    ]
    return {**status, "pid": orchestrator, "nodes": nodes, "fabric": {**status["fabric"], "pid": fabric}}


def _listener(path: Path) -> int | None:
    try:
        return namespaces.pid_of_socket(path)
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
