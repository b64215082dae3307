"""What the run's own probes have shown so far: how far round trips are from the computed ones, and who was lost wrongly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from prometheus_client import Metric

from skyrack.orchestrator.fabric.histogram import Histogram
from skyrack.orchestrator.measure.fidelity import GUARD, HELD_UP, is_against, reason_of
from skyrack.v1 import families

# Probes come a little late, some 0.1 ms, on a quiet host; early ones are a fault of the emulation.
ERROR_BOUNDS_S = (-1e-3, -1e-4, -1e-5, 0.0, 2e-5, 5e-5, 1e-4, 2e-4, 3e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 0.1)

Outcome = Literal["answered", "lost", "false_outage", "unexpected", "unsettled", "held_up"]


def outcome_of(measured_s: float | None, computed: dict[str, Any]) -> Outcome:
    """What became of a probe, beside what POST /v1/computed says of it.

    lost: there was no way, or links of the way lose some at random. unexpected: answered without a way. unsettled: the mesh
    changed unplanned while it flew, so either is right. held_up: lost or answered against what was computed, while the host
    held the fabric up: that proves nothing.
    """
    reason = reason_of(measured_s, computed)
    if reason is not None and reason.startswith(GUARD):
        return "held_up" if reason == HELD_UP else "unsettled"
    against = is_against(measured_s, computed)
    if measured_s is not None:
        return "unexpected" if against else "answered"
    return "false_outage" if against else "lost"


class ProbeTally:
    """Since the start of the run."""

    def __init__(self) -> None:
        self.error = Histogram(ERROR_BOUNDS_S)
        self.outcomes: dict[Outcome, int] = {
            "answered": 0, "lost": 0, "false_outage": 0, "unexpected": 0, "unsettled": 0, "held_up": 0,
        }  # fmt: skip

    def add(self, measured_s: float | None, computed: dict[str, Any]) -> None:
        """A probe is decided and explained."""
        outcome = outcome_of(measured_s, computed)
        self.outcomes[outcome] += 1
        if outcome == "answered" and measured_s is not None:
            self.error.observe(measured_s - computed["rtt_s"])

    def families(self) -> Iterator[Metric]:
        """All but the errors, which have a family with those of loads."""
        probes = families.counter("skyrack_fidelity_probes_total")
        for outcome, times in self.outcomes.items():
            probes.add_metric([outcome], times)
        yield probes
