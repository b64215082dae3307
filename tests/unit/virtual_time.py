"""An event loop whose clock jumps to the next timer: schedules of minutes pass at once, in the order they would have."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any


class _Jumping(selectors.DefaultSelector):
    """Waits for nothing: where nobody is ready, time passes."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        assert ready or timeout is not None, "everybody waits for somebody who never comes"
        if not ready and timeout is not None:
            self.now_s += max(timeout, 0.0)
        return ready


class _Loop(asyncio.SelectorEventLoop):
    async def shutdown_default_executor(self) -> None:
        """It has no threads; to wait for one that would say so takes real time, of which there is none here."""


class _Inline(ThreadPoolExecutor):
    """Does the work at once, in no time."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class VirtualTime:
    """Run seconds of a clock that only the loop of `run` moves; `worker` works in no time."""

    def __init__(self) -> None:
        self._selector = _Jumping()
        self.worker = _Inline()

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """To its end."""
        loop = _Loop(self._selector)
        loop.time = lambda: self._selector.now_s  # type: ignore[method-assign]
        loop.set_default_executor(self.worker)
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(work)

    def run_s(self) -> float:
        """Seconds that have passed."""
        return self._selector.now_s

    def utc(self) -> datetime:
        """The same as wall time."""
        return datetime.fromtimestamp(self._selector.now_s, UTC)

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(max(0.0, seconds))


class StillClock:
    """Ten seconds into a run, for ever."""

    t0_monotonic_ns = 0

    def run_s(self) -> float:
        """Always the same."""
        return 10.0

    async def sleep(self, seconds: float) -> None:
        """Fails: time does not pass."""
        raise AssertionError("nothing here waits for time")
