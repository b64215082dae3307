"""Signs of life of nodes to the process that has forked them: a byte now and then, through a pipe each.

node: `beat`, in its event loop, so that a loop that hangs is silent, too ----pipe----> parent: Heartbeats
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace

from skyrack.node.clock import Clock
from skyrack.node.config import NodeConfig
from skyrack.node.silence import LOOKS, Silence

START_S = 30.0  # to the first beat, on a host that is busy
_READ_BYTES = 4096


async def beat(config: NodeConfig, clock: Clock) -> None:
    """For ever."""
    os.set_blocking(config.heartbeat_fd, False)
    while True:
        with contextlib.suppress(BlockingIOError):  # nobody has listened for a long time
            os.write(config.heartbeat_fd, b".")
        await clock.sleep(config.watchdog_s / LOOKS)


class Heartbeats:
    """What a parent hears of its nodes, by pid."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._silences: dict[int, tuple[int, Silence]] = {}
        self._read_fds: set[int] = set()

    @contextlib.contextmanager
    def of(self, config: NodeConfig) -> Iterator[tuple[NodeConfig, Callable[[int], None]]]:
        """While a node is forked: what it is told, and whom to tell its pid."""
        if not config.watchdog_s:
            yield config, lambda pid: None
            return
        read_fd, write_fd = os.pipe()
        os.set_blocking(read_fd, False)
        self._read_fds.add(read_fd)
        kept = False

        def forked(pid: int) -> None:
            nonlocal kept
            kept = True
            self._silences[pid] = read_fd, Silence(config.watchdog_s, START_S, self._now_s())

        try:
            yield replace(config, heartbeat_fd=write_fd), forked
        finally:
            os.close(write_fd)
            if not kept:
                self._close(read_fd)

    @property
    def look_s(self) -> float | None:
        """When to look again; None while nobody has to be heard."""
        return min((silence.look_s for _, silence in self._silences.values()), default=None)

    def silent(self) -> Iterator[tuple[int, float]]:
        """Those that have been silent for too long, and for how long; each once."""
        now_s = self._now_s()
        for pid, (read_fd, silence) in list(self._silences.items()):
            with contextlib.suppress(BlockingIOError):
                if os.read(read_fd, _READ_BYTES):
                    silence.hear(now_s)
            if silence.look(now_s):
                self.ended(pid)
                yield pid, silence.silent_s

    def ended(self, pid: int) -> None:
        """One is not there any more."""
        if pid in self._silences:
            self._close(self._silences.pop(pid)[0])

    def leave(self) -> None:
        """In a child: close what is the parent's."""
        for read_fd in list(self._read_fds):
            self._close(read_fd)

    def _close(self, read_fd: int) -> None:
        self._read_fds.remove(read_fd)
        os.close(read_fd)

    def _now_s(self) -> float:
        return self._clock.monotonic_ns() / 1e9
