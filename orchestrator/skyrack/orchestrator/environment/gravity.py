"""What cities send each other, by a gravity model. Pure.

    w(a, b) = population_a x population_b / max(distance, LEAST_KM)^exponent x exp(variation x N(0, 1))
    rate(a, b) = rate of all x w(a, b) / sum of w

Zipf 1946; for traffic between the cities of a backbone: Zhang et al., SIGMETRICS 2003.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skyrack.orchestrator.environment.sphere import distance_km
from skyrack.orchestrator.scenario.model.background import Background
from skyrack.orchestrator.scenario.model.ground import GroundStation

LEAST_KM = 100.0  # two stations of one city are not infinitely attracted
MOST_FLOWS = 2_000  # of more pairs those that send most stand for all


@dataclass(frozen=True, slots=True)
class Demand:
    """What one station sends another; places in the list of stations."""

    src: int
    dst: int
    rate_bps: float


def demands(ground: Sequence[GroundStation], background: Background, seed: int) -> list[Demand]:
    """Both directions of every pair, most first; their rates add up to background.rate_bps. Empty where it is 0."""
    if not background.rate_bps:
        return []
    weights: dict[tuple[int, int], float] = {}
    for a, here in enumerate(ground):
        for b, there in enumerate(ground):
            if a == b:
                continue
            away_km = max(LEAST_KM, distance_km(here.lat_deg, here.lon_deg, there.lat_deg, there.lon_deg))
            # By name: another station in the list changes nobody's draw.
            draw = random.Random(f"{seed}/background/{here.name}>{there.name}").gauss(0.0, 1.0)
            masses = float(here.population or 0) * float(there.population or 0)
            weight = masses / away_km**background.distance_exponent * np.exp(background.variation * draw)
            if weight > 0.0:
                weights[a, b] = float(weight)
    most = sorted(weights, key=lambda pair: (-weights[pair], pair))[:MOST_FLOWS]
    total = sum(weights[pair] for pair in most)
    return [Demand(a, b, background.rate_bps * weights[a, b] / total) for a, b in most]
