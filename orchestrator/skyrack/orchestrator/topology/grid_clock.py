"""When epochs begin: a grid aligned to UTC, the same for every run and every machine."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from skyrack.orchestrator.orbit.times import as_utc

_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class GridClock:
    """Boundaries at `period_s` steps of UTC, `offset_s` after the minute when the period divides one.

    Boundary 0 is the last one at or before the run's start; times are seconds from the start.
    """

    period_s: float
    phase_s: float  # how long before the start boundary 0 lies

    @classmethod
    def aligned(cls, start: datetime, period_s: float, offset_s: float) -> GridClock:
        """Whole microseconds, so that the phase is exact however far 1970 is away."""
        start_us = (as_utc(start) - _UNIX_EPOCH) // timedelta(microseconds=1)
        phase_us = (start_us - round(offset_s * 1e6)) % round(period_s * 1e6)
        return cls(period_s, phase_us / 1e6)

    def boundary_s(self, number: int) -> float:
        """Seconds from the start of boundary `number`."""
        return number * self.period_s - self.phase_s

    def number_at(self, t_s: float) -> int:
        """The last boundary at or before `t_s`."""
        number = math.floor((t_s + self.phase_s) / self.period_s)
        if self.boundary_s(number + 1) <= t_s:  # the division rounded down across a boundary
            return number + 1
        return number - 1 if self.boundary_s(number) > t_s else number
