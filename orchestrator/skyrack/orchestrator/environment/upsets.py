"""How many corrected upsets memory has had: a Poisson number for each satellite and minute of orbit time, by the seed. Pure."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Final

from skyrack.orchestrator.faults.lot import Lot

MINUTE_S: Final = 60.0
_MANY: Final = 200.0  # from here on a normal distribution, to the third moment


def upsets(seed: int, node: str, minute: int, mean: float) -> int:
    """In a minute of orbit time that has `mean` in the mean; a higher mean never gives fewer."""
    return (
        quantile(mean, Lot(seed, "radiation", node, "upset", minute).between(0.0, 1.0)) if mean > 0.0 else 0
    )


def quantile(mean: float, chance: float) -> int:
    """The least number that a Poisson variable does not exceed with a chance above `chance`, in [0, 1)."""
    if mean < _MANY:
        term = total = math.exp(-mean)
        count = 0
        while total <= chance and term > 0.0:
            count += 1
            term *= mean / count
            total += term
        return count
    z = NormalDist().inv_cdf(min(max(chance, 1e-12), 1.0 - 1e-12))
    return max(0, math.floor(mean + z * math.sqrt(mean) + (z * z - 1.0) / 6.0 + 0.5))
