"""Closes descriptors where waiting harms nobody: a thread of its own.

A last close may wait: of a TUN device until its namespace is torn down (27-64 ms), of a socket whose sender gave it
SO_LINGER for as long as that says, and whoever reaches the attach socket can send one. Closing a Unix socket closes what
is still queued in it as well. So the loop closes nothing itself that came from outside.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from queue import SimpleQueue

from skyrack.v1.descriptors import discard, discard_connection


class Closer:
    """Owns what it is given. `waiting`: how many descriptors and connections are not closed yet."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[int | socket.socket | None] = SimpleQueue()
        self._given = self._closed = 0
        self._thread = threading.Thread(target=self._run, daemon=True, name="closer")
        self._thread.start()

    @property
    def waiting(self) -> int:
        """What has been given and not closed yet."""
        return self._given - self._closed

    def close(self, what: int | socket.socket) -> None:
        """Close a descriptor, or a Unix socket with everything that is queued in it; returns at once."""
        self._given += 1
        self._queue.put(what)

    def end(self, patience_s: float) -> None:
        """Wait until everything is closed, for so long at most."""
        self._queue.put(None)
        self._thread.join(patience_s)

    def _run(self) -> None:
        while (what := self._queue.get()) is not None:
            with contextlib.suppress(OSError):
                if isinstance(what, int):
                    discard(what)
                else:
                    discard_connection(what)
            self._closed += 1
