"""How long news of changes took, as a histogram: first to notice, last to hear, each pair that works again."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Metric

from skyrack.orchestrator.fabric.histogram import Histogram
from skyrack.v1 import families

BOUNDS_S = (0.02, 0.05, 0.1, 0.15, 0.175, 0.2, 0.225, 0.25, 0.3, 0.35, 0.4, 0.5, 0.75, 1.0, 2.0, 5.0, 15.0)
STAGES = ("detected", "informed", "restored")


class ConvergenceTally:
    """Seconds after the change, by stage. Filled by the feed, read by whoever exposes it."""

    def __init__(self) -> None:
        self._stages = {stage: Histogram(BOUNDS_S) for stage in STAGES}

    def observe(self, stage: str, seconds: float, times: int = 1) -> None:
        """Something of this stage took so long."""
        self._stages[stage].observe(seconds, times)

    def families(self) -> Iterator[Metric]:
        """As Prometheus reads it."""
        family = families.histogram("skyrack_routing_convergence_seconds")
        for stage, histogram in self._stages.items():
            families.add_counts(family, [stage], BOUNDS_S, histogram.counts, histogram.sum)
        yield family
