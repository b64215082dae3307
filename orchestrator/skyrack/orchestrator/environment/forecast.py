"""What software is told of the future: the truth with an error that the scenario sets. Pure.

    told = true + sigma N(0, 1)        for a begin or an end that lies ahead
    told = true                        for one that has passed: it was seen

The draw belongs to seed, node, sort and instant, so that the same event is told the same however often it is told, and by an
orchestrator that was started again. It does not shrink as the event comes near: a forecast is wrong until it is overtaken.
An end is never told before its begin; a stay that would be over by now is left out, as one that has ended is.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from skyrack.orchestrator.environment.stays import Stay
from skyrack.orchestrator.scenario.model.environment import ForecastError

Sort = Literal["eclipse", "anomaly", "contact"]


@dataclass(frozen=True, slots=True)
class Forecaster:
    """How wrong the forecasts of a run are."""

    error: ForecastError
    seed: int

    def stays(
        self, sort: Sort, node: str, true: Iterable[Stay], t_s: float, known_until_s: float
    ) -> Iterator[Stay]:
        """What `node` is told at `t_s` of stays; an end at `known_until_s` only says that no more is known."""
        for start_s, end_s in true:
            told_s = self.instant_s(sort, node, start_s, t_s)
            ends_s = end_s if end_s >= known_until_s else self.instant_s(sort, node, end_s, t_s)
            if ends_s > max(told_s, t_s):
                yield told_s, ends_s

    def instant_s(self, sort: Sort, node: str, at_s: float, t_s: float) -> float:
        """When `node` is told at `t_s` that something happens which truly does at `at_s`."""
        sigma_s = self._sigma_s(sort)
        if at_s <= t_s or not sigma_s:
            return at_s
        return at_s + random.Random(f"{self.seed}, forecast, {sort}, {node}, {at_s:.3f}").gauss(0.0, sigma_s)

    def _sigma_s(self, sort: Sort) -> float:
        error = self.error
        return {"eclipse": error.eclipse_s, "anomaly": error.anomaly_s, "contact": error.contact_s}[sort]
