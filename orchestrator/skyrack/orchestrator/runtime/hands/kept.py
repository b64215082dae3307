"""Processes that somebody starts again whenever they end: one is killed, and the next is waited for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from skyrack.orchestrator.clock import Clock
from skyrack.orchestrator.runtime.hands.hands import CannotError

BACK_S = 60.0  # longer than any of them takes to start, also where the host lets it wait
LOOK_S = 0.02


@dataclass(frozen=True, slots=True)
class Serving:
    """A process that serves: the how manieth it is, and its pid, 0 where that is not to be seen from here."""

    number: int
    pid: int


class Kept(Protocol):
    """Whoever keeps one."""

    def serving(self) -> Serving | None:
        """The process there is now; None while none serves."""

    def kill(self) -> None:
        """End it at once. Raises ProcessLookupError when it has ended by itself."""


async def end(kept: Kept, clock: Clock) -> list[str]:
    """Kill what serves and see the next one serve. Raises CannotError."""
    before = kept.serving()
    if before is None:
        raise CannotError("there is none at the moment")
    began_s = clock.run_s()
    try:
        kept.kill()
    except ProcessLookupError:
        raise CannotError("it had ended already") from None
    killed = f"{_pid(before)}killed"
    while clock.run_s() < began_s + BACK_S:
        now = kept.serving()
        if now is not None and now.number != before.number:
            return [f"{killed}; {_pid(now)}serves after {clock.run_s() - began_s:.1f} s"]
        await clock.sleep(LOOK_S)
    raise CannotError(f"{killed}; no other serves after {BACK_S:g} s")


def _pid(process: Serving) -> str:
    return f"pid {process.pid} " if process.pid else ("another " if process.number > 1 else "")
