"""Workers of a run on this machine: forked here, moved into the node's namespaces."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable
from pathlib import Path

from skyrack.groundstation.load.client import Plan
from skyrack.groundstation.load.worker import serve
from skyrack.node.forked import set_process_name
from skyrack.v1 import namespaces


class Child:
    """A worker that is a child of this process, in the node's PID namespace: it dies with the node."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def end(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)


class LocalStarter:
    """Forks. Therefore the process it is used in never opens a gRPC channel and has one thread."""

    def __init__(self, plan: Plan, mesh_dir: Path, leave: Callable[[], None]) -> None:
        """`leave`: closes, in a child, what is the parent's."""
        self._plan = plan
        self._mesh_dir = mesh_dir
        self._leave = leave

    def start(self, source: str, *, warm_up: bool, lines: int, requests: int) -> Child:
        node = namespaces.pid_of_socket(self._mesh_dir / "nodes" / f"{source}.sock")
        pid = namespaces.fork_into(node)
        if pid:
            return Child(pid)
        status = 1
        try:
            self._leave()
            set_process_name("sky load")  # as the init of a container names it
            serve(self._plan, source, warm_up=warm_up, lines=lines, requests=requests)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
