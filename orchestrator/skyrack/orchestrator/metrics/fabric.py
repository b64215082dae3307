"""Families of what the fabric counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import Metric

from skyrack.v1 import families

_COUNTERS = {
    "skyrack_fabric_ingress_packets_total": "ingress_packets",
    "skyrack_fabric_ingress_bytes_total": "ingress_bytes",
    "skyrack_fabric_delivered_packets_total": "packets",
    "skyrack_fabric_delivered_bytes_total": "bytes",
    "skyrack_fabric_looped_packets_total": "loops",
    "skyrack_fabric_corrupted_packets_total": "corrupted",
    "skyrack_fabric_busy_seconds_total": "busy_s",
    "skyrack_fabric_wakeups_total": "wakeups",
    "skyrack_fabric_late_segments_total": "late_segments",
}
_HISTOGRAMS = {
    "skyrack_fabric_lateness_seconds": "lateness",
    "skyrack_fabric_ingress_lag_seconds": "ingress_lag",
}


def fabric_families(counters: Mapping[str, Any]) -> Iterator[Metric]:
    """From the fabric's counters (GET /v1/fabric)."""
    for name, key in _COUNTERS.items():
        yield families.counter(name, counters[key])
    for name, key in _HISTOGRAMS.items():
        family, data = families.histogram(name), counters[key]
        families.add_counts(family, [], data["le_s"], data["counts"], data["sum_s"])
        yield family
    drops = families.counter("skyrack_fabric_dropped_packets_total")
    for reason, count in counters["drops"].items():
        drops.add_metric([reason], count)
    yield drops
