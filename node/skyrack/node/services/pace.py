"""Keeps the Python services of a node, which share its event loop, to a share of a core together.

    task of a service:  step | step .. 30 ms ..|  owes  | step | step ...
                               thread_time       sleep     once the debt is paid off

The CPU time of each step of their tasks is taken from what they may use; when that is used up, whoever is next sleeps before
his next step. What they run in other threads is not held up. A request to end (cancel) is never held up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

from skyrack.node.clock import Clock

T = TypeVar("T")

BURST_S = 0.05  # of CPU time that may be saved up
_NOTHING_S = 1e-6  # a debt that is not worth a wait
LONGEST_WAIT_S = 0.5  # then it is seen anew whether the ratio still is what it was


class Pace:
    """`ratio`: share of a core; None: as much as they like."""

    def __init__(self, clock: Clock, cpu_ns: Callable[[], int] = time.thread_time_ns) -> None:
        self._clock = clock
        self._cpu_ns = cpu_ns
        self._left_s = BURST_S
        self._since_ns = clock.monotonic_ns()
        self.ratio: float | None = None
        self.used_s = 0.0
        """CPU time of all steps so far."""

    def keeping(self, coroutine: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T]:
        """The same coroutine, which keeps to it."""
        return _Keeping(coroutine, self)

    def wait_s(self) -> float:
        """Real time until the next step may begin, or until that has to be asked again; 0: now."""
        if self.ratio is None:
            return 0.0
        now_ns = self._clock.monotonic_ns()
        self._left_s = min(BURST_S, self._left_s + self.ratio * (now_ns - self._since_ns) / 1e9)
        self._since_ns = now_ns
        return min(-self._left_s / self.ratio, LONGEST_WAIT_S) if self._left_s < -_NOTHING_S else 0.0

    def step(self, work: Callable[[Any], T], value: Any) -> T:
        """Do one step, and count what it uses."""
        began_ns = self._cpu_ns()
        try:
            return work(value)
        finally:
            used_s = (self._cpu_ns() - began_ns) / 1e9
            self.used_s += used_s
            if self.ratio is not None:
                self._left_s -= used_s

    def sleep(self, delay_s: float) -> Generator[Any, None, None]:
        """Wait, as a task's step does it."""
        return self._clock.sleep(delay_s).__await__()


class _Keeping(Coroutine[Any, Any, T]):
    """Steps of another coroutine, with waits before those that would be too much."""

    def __init__(self, coroutine: Coroutine[Any, Any, T], pace: Pace) -> None:
        self._coroutine = coroutine
        self._pace = pace
        self._waiting: Generator[Any, None, None] | None = None
        self.__name__ = getattr(coroutine, "__name__", "coroutine")
        self.__qualname__ = getattr(coroutine, "__qualname__", self.__name__)

    def send(self, value: Any) -> Any:
        while True:
            if self._waiting is None:
                if (wait_s := self._pace.wait_s()) <= 0.0:
                    return self._pace.step(self._coroutine.send, value)
                self._waiting = self._pace.sleep(wait_s)
            try:
                return self._waiting.send(None)
            except StopIteration:
                self._waiting = None

    def throw(self, error: Any, value: Any = None, traceback: Any = None) -> Any:
        self._give_up_waiting()
        return self._pace.step(self._coroutine.throw, error)

    def close(self) -> None:
        self._give_up_waiting()
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, T]:
        raise TypeError("a task's coroutine is not awaited")

    def _give_up_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.close()
            self._waiting = None
