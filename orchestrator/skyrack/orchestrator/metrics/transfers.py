"""Families of the declared transfers: by traffic class, never by node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import Metric

from skyrack.orchestrator.runtime.transfers import Totals, TrafficClass
from skyrack.v1 import families


def transfer_families(totals: Mapping[TrafficClass, Totals]) -> Iterator[Metric]:
    """From the registry's totals."""
    running, ended = families.gauge("skyrack_transfers_running"), families.counter("skyrack_transfers_total")
    delivered = families.counter("skyrack_transfer_delivered_bytes_total")
    resent = families.counter("skyrack_transfer_resent_bytes_total")
    for name, sums in totals.items():
        running.add_metric([name], sums.running)
        for outcome, times in sums.ended.items():
            ended.add_metric([name, outcome], times)
        delivered.add_metric([name], sums.delivered_bytes)
        resent.add_metric([name], sums.resent_bytes)
    yield from (running, ended, delivered, resent)
