"""Holds on to a process that hands out descriptors (`skyrack.v1.hand_out`): connects, is told of its end, connects again."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from skyrack.v1 import attach
from skyrack.v1.hand_out import HandOutError

RETRY_S = 0.1
PATIENCE_S = 10.0


class Watch(Protocol):
    """Registers descriptors with somebody's event loop."""

    def add(self, descriptor: int, action: Callable[[], None]) -> None:
        """Call `action` when `descriptor` is readable."""

    def remove(self, descriptor: int) -> None:
        """Stop watching."""


def connect_node(mesh_dir: Path, name: str) -> socket.socket:
    """A connection to a node that serves; what it hands out comes within PATIENCE_S or not at all. Raises OSError."""
    return _connect(mesh_dir / "nodes" / f"{name}.net.sock")


def connect_fabric(mesh_dir: Path) -> socket.socket:
    """The same for the fabric."""
    sock = _connect(mesh_dir / "fabric.sock")
    try:
        sock.send(attach.pack_watch())
    except OSError:
        sock.close()
        raise
    return sock


def _connect(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sock.settimeout(PATIENCE_S)
    try:
        sock.connect(os.fspath(path))
    except OSError:
        sock.close()
        raise
    return sock


class Hold:
    """One process, through all its lives; the caller's loop does the waiting.

    Args:
        connect: `connect_node` or `connect_fabric`, bound.
        take: receives what was handed out; raises HandOutError or OSError when it was nothing.
        lost: told once of each end that follows a successful `take`.
    """

    def __init__(
        self,
        connect: Callable[[], socket.socket],
        take: Callable[[socket.socket], None],
        lost: Callable[[], None],
        watch: Watch,
    ) -> None:
        self._connect = connect
        self._take = take
        self._lost = lost
        self._watch = watch
        self._sock: socket.socket | None = None
        self._retry_s = 0.0
        self.held = False

    @property
    def asking(self) -> bool:
        """Whether it is connected and nothing was handed out yet."""
        return self._sock is not None and not self.held

    def look(self, now_s: float) -> None:
        """Connect, where there is no connection and the last try is RETRY_S ago."""
        if self._sock is not None or now_s < self._retry_s:
            return
        self._retry_s = now_s + RETRY_S
        try:
            self._sock = self._connect()
        except OSError:
            return
        self._sock.setblocking(False)
        self._watch.add(self._sock.fileno(), self._hear)

    def close(self) -> None:
        """Let go; `lost` is not told."""
        self.held = False
        if self._sock is not None:
            self._watch.remove(self._sock.fileno())
            self._sock.close()
            self._sock = None

    def _hear(self) -> None:
        assert self._sock is not None
        try:
            if not self.held:
                self._take(self._sock)
                self.held = True
                return
            if self._sock.recv(1):
                return
        except BlockingIOError:
            return
        except (OSError, HandOutError):
            pass
        was_held = self.held
        self.close()
        if was_held:
            self._lost()
