"""What radiation has done so far: outcomes that came, upsets that were corrected, the dose of every satellite."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from skyrack.orchestrator.clock import Clock
from skyrack.orchestrator.environment.dose import GRAYS_PER_RAD, dose_rad
from skyrack.orchestrator.environment.outcomes import KIND_OUTCOMES, OUTCOMES
from skyrack.orchestrator.environment.radiation import RadiationSource
from skyrack.orchestrator.environment.upsets import MINUTE_S, upsets
from skyrack.orchestrator.runtime.storms import Storms
from skyrack.orchestrator.timeline import Piece, Timeline

PERIOD_S = 2.0  # how often minutes that have passed are counted
AT_ONCE = 20  # minutes that are counted before others may work


class RadiationCount:
    """Since this orchestrator began. `run` has to be running.

    `came`: occurrences that have begun, by source and kind. Upsets are counted by whole minutes of orbit time; those
    that the clock jumps over do not count.
    """

    def __init__(
        self,
        source: RadiationSource,
        storms: Storms,
        came: Mapping[tuple[str, str], int],
        timeline: Timeline,
        clock: Clock,
        seed: int,
    ) -> None:
        self._source = source
        self._storms = storms
        self._came = came
        self._timeline = timeline
        self._clock = clock
        self._seed = seed
        self._upsets = 0
        self._minute = self._now()
        self._gaps: list[tuple[float, float]] = []
        self._last = timeline.pieces[-1]
        timeline.listen(self._hear)

    async def run(self) -> None:
        """Count, until cancelled."""
        while True:
            while self._minute < self._now():
                self._count()
                await self._clock.sleep(0.0)
            await self._clock.sleep(PERIOD_S)

    @property
    def outcomes(self) -> dict[str, int]:
        """How many of each came; `upset`: those that were corrected."""
        found: Counter[str] = Counter()
        for (source, kind), count in self._came.items():
            if source == self._source.name:
                found[KIND_OUTCOMES[kind]] += count
        return {"upset": self._upsets, **{outcome: found[outcome] for outcome in OUTCOMES}}

    def doses_gy(self) -> dict[str, float]:
        """Of each satellite with a process that is in service."""
        t_s, spells = self._timeline.t_s(self._clock.run_s()), self._storms.spells
        return {
            one.name: GRAYS_PER_RAD * dose_rad(one.design, t_s, spells.storms(one.node))
            for one in self._source.there(t_s)
        }

    def status(self) -> dict[str, Any]:
        """For the run's status: outcomes so far, and where rates are others than usual."""
        t_s, now = self._timeline.t_s(self._clock.run_s()), self._storms.now
        there = self._source.there(t_s)
        factors = [now.factor(one.node) for one in there]
        return {
            "outcomes": self.outcomes,
            "satellites": len(factors),
            "in_storm": sum(factor > 1.0 for factor in factors),
            "storm_factor": max(factors, default=1.0),
            "over_anomaly": sum(self._source.is_inside(one, now.inside, t_s) for one in there),
        }

    def _count(self) -> None:
        spells, now = self._storms.spells, self._now()
        for _ in range(AT_ONCE):
            first_t_s = self._minute * MINUTE_S
            gap = next((gap for gap in self._gaps if gap[0] <= first_t_s < gap[1]), None)
            if gap is not None:
                self._minute = max(self._minute + 1, int(gap[1] // MINUTE_S))
            if self._minute >= now:
                return
            if gap is None:
                self._upsets += sum(
                    upsets(
                        self._seed,
                        one.name,
                        self._minute,
                        self._source.expected_of(one, "upset", first_t_s, first_t_s + MINUTE_S, spells),
                    )
                    for one in self._source.exposed
                )
                self._minute += 1

    def _hear(self, piece: Piece) -> None:
        before_t_s, self._last = self._last.t_at(piece.run_s), piece
        if piece.t_s > before_t_s:
            self._gaps.append((before_t_s, piece.t_s))

    def _now(self) -> int:
        return int(self._timeline.t_s(self._clock.run_s()) // MINUTE_S)
