"""Says which Python service kept the node's event loop from everything else: it shares the loop with the satellite.

    loop     select .... | callbacks | select .... | callbacks of a service that blocks ............ | select: `tell`
    timer                | armed     | off         | armed ....... SIGALRM ... SIGALRM: who is on the stack now?

An idle node is not woken by this, and a thread that looked 20 times a second would take more than the node itself. A loop that
is late with no service on its stack has been kept by the host, which is not a service's fault; one that blocks after that is
found by the next look.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

from skyrack.node.services.modules import is_below

if TYPE_CHECKING:
    from skyrack.node.clock import Clock

LIMIT_S = 0.1

Tell = Callable[[float, str], None]
"""Hears for how long (s), and where: `counter.py:17 in increment`."""


class Watchdog:
    """Watches the loop of the main thread while it has services to watch. SIGALRM is its own meanwhile."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._services: Mapping[str, tuple[Sequence[str], Tell]] = {}
        self._undo: Callable[[], None] | None = None
        self._awake_ns = 0
        self._seen: tuple[Tell, str] | None = None

    def watch(self, service: str, directories: Sequence[str], tell: Tell) -> None:
        """From now on; `directories` are those of its own code, `tell` is called in the loop, as this is to be."""
        self._services = {**self._services, service: (tuple(directories), tell)}
        if self._undo is None:
            # What asyncio waits in; it has no hook around its callbacks but the whole of debug mode.
            self._undo = self._begin(asyncio.get_running_loop()._selector)  # type: ignore[attr-defined]

    def leave(self, service: str) -> None:
        """No more; does nothing for one that is not watched."""
        self._services = {name: found for name, found in self._services.items() if name != service}
        if not self._services and self._undo is not None:
            self._undo()
            self._undo = None

    def _begin(self, selector: Any) -> Callable[[], None]:
        """Watch; returns what ends it."""
        select = selector.select
        handler_before = signal.signal(signal.SIGALRM, self._look)
        timer_before = signal.setitimer(signal.ITIMER_REAL, LIMIT_S, LIMIT_S)
        self._awake_ns = self._clock.monotonic_ns()

        def watched(timeout: float | None = None) -> Any:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            if self._seen is not None:
                (tell, where), self._seen = self._seen, None
                tell((self._clock.monotonic_ns() - self._awake_ns) / 1e9, where)
            found = select(timeout)
            if self._undo is not None:
                self._awake_ns = self._clock.monotonic_ns()
                signal.setitimer(signal.ITIMER_REAL, LIMIT_S, LIMIT_S)
            return found

        def undo() -> None:
            del selector.select
            signal.setitimer(signal.ITIMER_REAL, *timer_before)
            signal.signal(signal.SIGALRM, handler_before)

        selector.select = watched
        return undo

    def _look(self, _: int, frame: FrameType | None) -> None:
        """The timer has run out, once more perhaps."""
        self._seen = self._seen or _culprit(frame, self._services)


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
