"""Order statistics by nearest rank: every published quantile is a value that was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence


def quantile(values: Sequence[float], q: float) -> float | None:
    """The smallest of `values` with at least a share `q` of them at or below it; None without values."""
    if not values:
        return None
    rank = max(1, math.ceil(q * len(values) - 1e-9))
    return sorted(values)[rank - 1]


def histogram_quantile(bounds: Sequence[float], counts: Sequence[int], q: float) -> float | None:
    """Upper bound of the bucket that holds quantile `q`; infinite in the last one (+Inf), None when all are empty."""
    total = sum(counts)
    if total <= 0:
        return None
    below = 0
    for bound, count in zip((*bounds, math.inf), counts, strict=True):
        below += count
        if below >= q * total:
            return bound
    return math.inf
