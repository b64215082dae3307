"""Families of the metrics of `skyrack.v1.metrics`, ready for samples. KeyError: a name that is not listed there."""

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from skyrack.v1.metrics import METRICS, Definition

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def gauge(name: str, value: float | None = None) -> GaugeMetricFamily:
    """The gauge; with its value if it has no labels."""
    definition = _known(name, "gauge")
    return GaugeMetricFamily(name, definition.text, value, _labels(definition, value))


def counter(name: str, value: float | None = None) -> CounterMetricFamily:
    """The counter; with its value if it has no labels."""
    definition = _known(name, "counter")
    return CounterMetricFamily(name, definition.text, value, _labels(definition, value))


def histogram(name: str) -> HistogramMetricFamily:
    """The histogram."""
    definition = _known(name, "histogram")
    return HistogramMetricFamily(name, definition.text, labels=definition.labels)


def add_counts(
    family: HistogramMetricFamily,
    labels: Sequence[str],
    bounds: Iterable[float],
    counts: Iterable[float],
    total: float,
) -> None:
    """A histogram from counts per bucket (the last one is +Inf) and the sum of what was observed."""
    cumulated = 0.0
    buckets: list[tuple[str, float]] = []
    for bound, count in zip([*map(str, bounds), "+Inf"], counts, strict=True):
        cumulated += count
        buckets.append((bound, cumulated))
    family.add_metric(labels, buckets, total)


def exposition(families: Iterable[Metric]) -> str:
    """Families in Prometheus's text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(families))
    return generate_latest(registry).decode()


class _Families:
    """What a registry asks for."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families


def _known(name: str, kind: str) -> Definition:
    definition = METRICS[name]
    assert definition.kind == kind, f"{name} is a {definition.kind}"
    return definition


def _labels(definition: Definition, value: float | None) -> tuple[str, ...] | None:
    """prometheus_client takes a value or labels."""
    assert (value is None) == bool(definition.labels), f"{definition.name} has labels {definition.labels}"
    return definition.labels or None
