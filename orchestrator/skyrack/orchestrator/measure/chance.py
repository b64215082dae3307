"""How likely so many losses are by chance. Pure."""

from __future__ import annotations

import math


def tail_bound(lost: int, sent: int, expected_ratio: float) -> float:
    """An upper bound of the probability of a number of losses at least as far from the expected one, on its side.

    Chernoff's bound for sums of independent draws, exp(-n KL(lost / n || p)); by Hoeffding (1956) it also holds where the
    draws have different probabilities whose mean is `expected_ratio`. 1 where nothing was sent. 0 for what cannot be.
    """
    if not sent:
        return 1.0
    share, p = lost / sent, expected_ratio
    if share == p:
        return 1.0
    if p in (0.0, 1.0):
        return 0.0
    divergence = _term(share, p) + _term(1.0 - share, 1.0 - p)
    return math.exp(-sent * max(0.0, divergence))


def _term(share: float, p: float) -> float:
    return share * math.log(share / p) if share > 0.0 else 0.0
