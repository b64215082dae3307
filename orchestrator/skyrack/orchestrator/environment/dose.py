"""The dose that a satellite has taken, and what wears out by it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from skyrack.orchestrator.scenario.model.hardening import Design

YEAR_S: Final = 365.25 * 86_400.0
GRAYS_PER_RAD: Final = 0.01

Storm = tuple[float, float, float]  # begin and end, orbit time; factor


def dose_rad(design: Design, t_s: float, storms: Iterable[Storm] = ()) -> float:
    """At orbit time `t_s`: what it began with, the mean of its orbits since then, and what storms added.

    Stays over the anomaly are in the mean of the orbits. Storms at one time add up: a dose has no thresholds.
    """
    weighted_s = t_s + sum(
        (factor - 1.0) * max(0.0, min(t_s, last_s) - first_s) for first_s, last_s, factor in storms
    )
    return design.dose_rad + design.shielding_ratio * design.dose_rad_per_year * weighted_s / YEAR_S


def irregularity(design: Design, dose: float) -> float:
    """By how much memory's upsets that matter are multiplied: 1 up to irregular_rad, 2 at twice that."""
    return max(1.0, dose / design.irregular_rad)


def wear(design: Design, dose: float) -> float:
    """Share of `wear_per_year` that is in force: 0 up to failure_rad, 1 at twice that."""
    return max(0.0, dose / design.failure_rad - 1.0)
