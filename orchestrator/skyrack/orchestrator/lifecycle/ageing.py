"""When satellites come to their end: lives are Weibull, and who has reached an age already lives on from there.

P(life > a) = exp(-(a / scale)^shape)        mean = scale Gamma(1 + 1 / shape)
a life of one that is a old: scale ((a / scale)^shape + e)^(1 / shape), e exponential of mean 1
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.faults.lot import Lot
from skyrack.orchestrator.faults.occurrence import Occurrence
from skyrack.orchestrator.orbit.constants import SECONDS_PER_DAY
from skyrack.orchestrator.scenario.model.lifecycle import Ageing

YEAR_S: Final = 365.25 * SECONDS_PER_DAY
CAUSE: Final = "end of life"


def scale_years(mean_years: float, shape: float) -> float:
    """Weibull's scale, of which 63 % do not grow older."""
    return mean_years / math.gamma(1.0 + 1.0 / shape)


def life_years(age_years: float, e: float, mean_years: float, shape: float) -> float:
    """The whole life of a satellite that is `age_years` old; `e`: an exponential draw of mean 1."""
    scale = scale_years(mean_years, shape)
    return float(scale * ((age_years / scale) ** shape + e) ** (1.0 / shape))


class EndOfLife:
    """Source. `names`: of all satellites. `since_s` says from when on each (n_sat,) is in service, -inf for those of no launch.

    A draw is a satellite's own, by its name: no other's changes it.
    """

    name = "ageing"

    def __init__(
        self, ageing: Ageing, names: Sequence[str], since_s: Callable[[], NDArray[np.float64]], seed: int
    ) -> None:
        self._names = names
        self._since_s = since_s
        lives = [self._drawn(ageing, Lot(seed, "life", name)) for name in names]
        self._left_s, self._life_s, self._fails = (np.array(column) for column in zip(*lives, strict=True))

    def between(self, first_t_s: float, last_t_s: float) -> list[Occurrence]:
        """Those that end in [first_t_s, last_t_s)."""
        since_s = self._since_s()
        ends_s = np.where(since_s > -math.inf, since_s + self._life_s, self._left_s)
        order = np.argsort(ends_s, kind="stable")
        within = order[(ends_s[order] >= first_t_s) & (ends_s[order] < last_t_s)]
        return [
            Occurrence(
                float(ends_s[node]),
                {
                    "kind": "lost" if self._fails[node] else "retire",
                    "nodes": [self._names[node]],
                    "cause": CAUSE,
                },
            )
            for node in within.tolist()
        ]

    @staticmethod
    def _drawn(ageing: Ageing, lot: Lot) -> tuple[float, float, bool]:
        """Seconds that are left to one that is there at the start; those of one that is launched; whether it fails."""
        age_years, e = lot.between(*ageing.age_years), lot.gap(1.0)
        fails = lot.between(0.0, 1.0) < ageing.failed_ratio
        left_years = life_years(age_years, e, ageing.mean_years, ageing.shape) - age_years
        return left_years * YEAR_S, life_years(0.0, e, ageing.mean_years, ageing.shape) * YEAR_S, fails
