"""Keeps the prober's sockets in the networks of living nodes: a node that died and came back has a new network."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from skyrack.orchestrator.measure.probe_client import ProbeProcess, icmp_socket_in, node_socket
from skyrack.v1 import namespaces

_RETRY_S = 0.1


class Watch(Protocol):
    """Registers descriptors with somebody's event loop."""

    def add(self, descriptor: int, action: Callable[[], None]) -> None:
        """Call `action` when `descriptor` is readable."""

    def remove(self, descriptor: int) -> None:
        """Stop watching."""


class Sources:
    """The source nodes of one prober. `pids` has the nodes that are there now."""

    def __init__(self, names: Iterable[str], socket_dir: Path, prober: ProbeProcess, watch: Watch) -> None:
        self.pids: dict[str, int] = {}
        self._missing = dict.fromkeys(names, 0.0)
        self._socket_dir = socket_dir
        self._prober = prober
        self._watch = watch
        self._pidfds: dict[str, int] = {}

    def look(self, now_s: float) -> bool:
        """Open sockets in nodes that serve and have none; returns whether any were opened."""
        found = False
        for name, retry_s in list(self._missing.items()):
            if now_s >= retry_s:
                self._missing[name] = now_s + _RETRY_S
                found = self._open(name) or found
        return found

    def close(self) -> None:
        """Stop watching."""
        for pidfd in self._pidfds.values():
            self._watch.remove(pidfd)
            os.close(pidfd)
        self._pidfds.clear()

    def _open(self, name: str) -> bool:
        try:
            pid = namespaces.pid_of_socket(node_socket(self._socket_dir, name))
            pidfd = os.pidfd_open(pid)
        except OSError:
            return False
        try:
            sock = icmp_socket_in(pid)
        except OSError:
            os.close(pidfd)
            return False
        self._prober.set_source(name, sock)
        self._pidfds[name] = pidfd
        self.pids[name] = pid
        del self._missing[name]
        self._watch.add(pidfd, lambda: self._died(name))
        return True

    def _died(self, name: str) -> None:
        pidfd = self._pidfds.pop(name)
        self._watch.remove(pidfd)
        os.close(pidfd)
        del self.pids[name]
        self._prober.drop_source(name)
        self._missing[name] = 0.0
