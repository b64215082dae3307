"""Signals that end a command, held back while it does what has to be done whole or not at all."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any, Self

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class HeldBack:
    """While entered, they wait; `let_go`, or the end of the context, has them act as they would have before.

    By handlers and not by a mask, which programs that are started meanwhile would inherit.
    """

    def __init__(self) -> None:
        self._came: list[int] = []
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self.hold()
        return self

    def hold(self) -> None:
        """Again, after `let_go`. What is ignored stays so."""
        for number in ENDING:
            if (handler := signal.getsignal(number)) is not signal.SIG_IGN:
                self._before[number] = handler
                signal.signal(number, self._keep)

    def let_go(self) -> None:
        """Those that came act now, for instance by KeyboardInterrupt."""
        while self._before:
            signal.signal(*self._before.popitem())
        while self._came:
            signal.raise_signal(self._came.pop())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.let_go()

    def _keep(self, number: int, frame: FrameType | None) -> None:
        self._came.append(number)
