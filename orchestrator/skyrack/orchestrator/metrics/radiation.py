"""Families of radiation: what came of it, and the dose of each satellite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import Metric

from skyrack.v1 import families


def radiation_families(outcomes: Mapping[str, int], doses_gy: Mapping[str, float]) -> Iterator[Metric]:
    """`outcomes`: how many came, of each. `doses_gy`: by node."""
    came = families.counter("skyrack_radiation_outcomes_total")
    for outcome, count in outcomes.items():
        came.add_metric([outcome], count)
    yield came
    dose = families.gauge("skyrack_radiation_dose_grays")
    for node, dose_gy in doses_gy.items():
        dose.add_metric([node], dose_gy)
    yield dose


def skipped_families(skipped: Mapping[str, int]) -> Iterator[Metric]:
    """Occurrences that were left out, by kind."""
    left_out = families.counter("skyrack_occurrences_skipped_total")
    for kind, count in skipped.items():
        left_out.add_metric([kind], count)
    yield left_out
