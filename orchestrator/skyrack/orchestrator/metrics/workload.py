"""What load generators have done in this run so far: they send what is new about every second, this adds it up.

    POST /v1/workload  {"workload": "echo", "operations": {"ok": 50, "fail": 0, "unknown": 0},
                        "latency": {"counts": [...], "sum_s": 4.1}, "error": {"counts": [...]}}

Counts are per bucket of LATENCY_BOUNDS_S and ERROR_BOUNDS_S, the last one for what is above them all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args

from prometheus_client import Metric
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from skyrack.orchestrator.fabric.histogram import Histogram
from skyrack.orchestrator.metrics.fidelity import ERROR_BOUNDS_S
from skyrack.v1 import families

Name = Literal["echo", "kv", "append", "queue", "set", "bank", "other"]  # a user's own workload is another
LATENCY_BOUNDS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 1.0, 2.0, 5.0)

_Count = Annotated[int, Field(ge=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Operations(_Strict):
    """How many ended how."""

    ok: _Count
    fail: _Count
    unknown: _Count


class Latencies(_Strict):
    """Of operations that were ok."""

    counts: list[_Count] = Field(min_length=len(LATENCY_BOUNDS_S) + 1, max_length=len(LATENCY_BOUNDS_S) + 1)
    sum_s: float = Field(ge=0)


class Errors(_Strict):
    """Measured minus computed round trips."""

    counts: list[_Count] = Field(min_length=len(ERROR_BOUNDS_S) + 1, max_length=len(ERROR_BOUNDS_S) + 1)


class News(_Strict):
    """What one workload has seen since it last told."""

    workload: Name
    operations: Operations
    latency: Latencies
    error: Errors


class _Sums:
    """Of one workload."""

    def __init__(self) -> None:
        self.operations = {"ok": 0, "fail": 0, "unknown": 0}
        self.latency = Histogram(LATENCY_BOUNDS_S)
        self.error = Histogram(ERROR_BOUNDS_S)

    def add(self, news: News) -> None:
        for outcome, count in news.operations:
            self.operations[outcome] += count
        for histogram, counts in ((self.latency, news.latency.counts), (self.error, news.error.counts)):
            histogram.counts = [have + more for have, more in zip(histogram.counts, counts, strict=True)]
        self.latency.sum += news.latency.sum_s


class Workloads:
    """Sums since the start of the run. Every workload that there is has some, all zero at first.

    `own_error`: of the run's own probes; they share the family of errors, as workload `run`.
    """

    def __init__(self, own_error: Histogram) -> None:
        self._own_error = own_error
        self._sums: dict[str, _Sums] = {name: _Sums() for name in get_args(Name)}

    def add(self, body: dict[str, Any]) -> None:
        """Take a load's news. Raises ValueError with what is wrong with them."""
        try:
            news = News.model_validate(body)
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        self._sums[news.workload].add(news)

    def families(self) -> Iterator[Metric]:
        """As they are now."""
        operations = families.counter("skyrack_workload_operations_total")
        latency = families.histogram("skyrack_workload_latency_seconds")
        error = families.histogram("skyrack_fidelity_error_seconds")
        for name, sums in self._sums.items():
            for outcome, count in sums.operations.items():
                operations.add_metric([name, outcome], count)
            families.add_counts(latency, [name], LATENCY_BOUNDS_S, sums.latency.counts, sums.latency.sum)
            # Errors may be negative, so their sum would not be a counter; the library leaves it and the count out.
            families.add_counts(error, [name], ERROR_BOUNDS_S, sums.error.counts, sums.error.sum)
        families.add_counts(error, ["run"], ERROR_BOUNDS_S, self._own_error.counts, self._own_error.sum)
        yield from (operations, latency, error)
