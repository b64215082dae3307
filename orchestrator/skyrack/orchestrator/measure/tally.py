"""What a load tells its run while it goes on, for Prometheus: counts since it last told, about once a second."""

from __future__ import annotations

from typing import get_args

from skyrack.orchestrator.fabric.histogram import Histogram
from skyrack.orchestrator.measure.workload import Api
from skyrack.orchestrator.metrics.fidelity import ERROR_BOUNDS_S
from skyrack.orchestrator.metrics.workload import LATENCY_BOUNDS_S, Name


class Tally:
    """Counts operations and probes of one workload. The verdict does not depend on it."""

    def __init__(self, workload: str) -> None:
        self._workload = workload if workload in get_args(Name) else "other"
        self._clear()

    def operation(self, outcome: str, latency_s: float) -> None:
        """An operation has ended: ok, fail or unknown."""
        self._operations[outcome] += 1
        if outcome == "ok":
            self._latency.observe(latency_s)

    def probe(self, measured_s: float | None, computed_s: float | None) -> None:
        """A probe has come back and is explained; one that is lost has no error."""
        if measured_s is not None and computed_s is not None:
            self._error.observe(measured_s - computed_s)

    def tell(self, api: Api) -> None:
        """Send what is new. Raises ApiError, and keeps it for the next time then."""
        api.post(
            "/v1/workload",
            {
                "workload": self._workload,
                "operations": self._operations,
                "latency": {"counts": self._latency.counts, "sum_s": self._latency.sum},
                "error": {"counts": self._error.counts},
            },
        )
        self._clear()

    def _clear(self) -> None:
        self._operations = {"ok": 0, "fail": 0, "unknown": 0}
        self._latency = Histogram(LATENCY_BOUNDS_S)
        self._error = Histogram(ERROR_BOUNDS_S)
