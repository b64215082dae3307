"""Time for services: the host's, which everything real passes in, and the scenario's, which the orbits turn in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from skyrack.node.clock import Clock as NodeClock
    from skyrack.node.knowledge import Knowledge

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOOK_S = 0.5  # the clock may be paused, jump or change its speed while somebody waits


class Clock:
    """Scenario time runs `speed` times as fast as real time, until the clock of the run is changed.

    Delays of packets are real at every speed.
    """

    def __init__(self, clock: NodeClock, knowledge: Callable[[], Knowledge]) -> None:
        """`knowledge` raises NotAvailableError."""
        self._clock = clock
        self._knowledge = knowledge

    @property
    def speed(self) -> float:
        """Scenario seconds per real second; 0 while the clock of the run is paused."""
        return self._knowledge().speed

    def monotonic_s(self) -> float:
        """CLOCK_MONOTONIC, the same in all nodes of a machine: differences are real seconds."""
        return self._clock.monotonic_ns() / 1e9

    def scenario_s(self) -> float:
        """Scenario seconds since its start, what plans and forecasts call `t_s`."""
        return self._knowledge().t_s(self._clock.monotonic_ns())

    def utc(self, t_s: float | None = None) -> datetime:
        """UTC in the scenario, now or at `t_s`: where the satellites are at."""
        at_s = self.scenario_s() if t_s is None else t_s
        return _EPOCH + timedelta(microseconds=self._knowledge().utc_ns(at_s) / 1e3)

    async def sleep(self, real_s: float) -> None:
        """Wait so many real seconds."""
        await self._clock.sleep(real_s)

    async def sleep_until(self, t_s: float) -> None:
        """Wait for a scenario time, that of a contact for instance; returns at once when it has passed, or was jumped over."""
        while (left_s := t_s - self.scenario_s()) > 0:
            await self._clock.sleep(min(_LOOK_S, self._knowledge().real_s(left_s)))
