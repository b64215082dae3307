"""Families of the space around all satellites."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Metric

from skyrack.orchestrator.environment.truth import Truth
from skyrack.v1 import families


def environment_families(truth: Truth) -> Iterator[Metric]:
    """Shares of the constellation, and the worst storm."""
    yield families.gauge("skyrack_satellites_eclipsed_ratio", 1.0 - float(truth.lit.mean()))
    yield families.gauge("skyrack_satellites_in_anomaly_ratio", float(truth.in_anomaly.mean()))
    yield families.gauge("skyrack_storm_factor", float(truth.storm_factor.max()))
