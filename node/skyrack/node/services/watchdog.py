"""Says which Python service kept the node's event loop from everything else: it shares the loop with the satellite.

    loop     beat .... beat ....             ............. beat: late, so `tell` where it was
    thread        look      look      look: no beat for 100 ms -> where is the loop's thread?

A loop that is late with no service on its stack has been kept by the host, which is not a service's fault.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType
from typing import TYPE_CHECKING

from skyrack.node.services.modules import is_below

if TYPE_CHECKING:
    from skyrack.node.clock import Clock

LIMIT_S = 0.1
BEAT_S = 0.05

Tell = Callable[[float, str], None]
"""Hears for how long (s), and where: `counter.py:17 in increment`."""


class Watchdog:
    """Watches while it has services to watch; a thread in every node with Python services, and in no other."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._services: Mapping[str, tuple[Sequence[str], Tell]] = {}
        self._stop: threading.Event | None = None
        self._beat_ns = 0
        self._seen: tuple[Tell, str] | None = None

    def watch(self, service: str, directories: Sequence[str], tell: Tell) -> None:
        """From now on; `directories` are those of its own code, `tell` is called in the loop, as this is to be."""
        self._services = {**self._services, service: (tuple(directories), tell)}
        if self._stop is None:
            self._stop = threading.Event()
            self._beat(asyncio.get_running_loop(), self._stop, self._clock.monotonic_ns())
            arguments = (self._stop, threading.get_ident())
            threading.Thread(target=self._look, args=arguments, name="watchdog", daemon=True).start()

    def leave(self, service: str) -> None:
        """No more; does nothing for one that is not watched."""
        self._services = {name: found for name, found in self._services.items() if name != service}
        if not self._services and self._stop is not None:
            self._stop.set()
            self._stop = None

    def _beat(self, loop: asyncio.AbstractEventLoop, stop: threading.Event, last_ns: int) -> None:
        if stop.is_set():
            return
        now_ns = self._clock.monotonic_ns()
        late_s = (now_ns - last_ns) / 1e9 - BEAT_S
        if late_s > LIMIT_S and self._seen is not None:
            self._seen[0](late_s, self._seen[1])
        self._seen = None
        self._beat_ns = now_ns
        loop.call_later(BEAT_S, self._beat, loop, stop, now_ns)

    def _look(self, stop: threading.Event, watched: int) -> None:
        """Runs in a thread of its own."""
        while not stop.wait(BEAT_S):
            late_s = (self._clock.monotonic_ns() - self._beat_ns) / 1e9 - BEAT_S
            if late_s > LIMIT_S and self._seen is None:
                self._seen = _culprit(sys._current_frames().get(watched), self._services)


def _culprit(
    frame: FrameType | None, services: Mapping[str, tuple[Sequence[str], Tell]]
) -> tuple[Tell, str] | None:
    """Who is to be told of the service whose code is innermost on a stack, and where that is."""
    for each in _outwards(frame):
        code = each.f_code
        for directories, tell in services.values():
            if is_below(code.co_filename, directories):
                return tell, f"{code.co_filename.rpartition('/')[2]}:{each.f_lineno} in {code.co_name}"
    return None


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back
