"""Families of the background traffic: sums, never by pair."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import Metric

from skyrack.v1 import families


def background_families(flows: int, rate_bps: float, totals: Mapping[str, int]) -> Iterator[Metric]:
    """From how many flows there are, what they send in all, and the bytes of each fate."""
    yield families.gauge("skyrack_background_flows", flows)
    yield families.gauge("skyrack_background_rate_bits_per_second", rate_bps)
    bytes_total = families.counter("skyrack_background_bytes_total")
    for fate, size in totals.items():
        bytes_total.add_metric([fate], size)
    yield bytes_total
