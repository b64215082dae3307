"""Families of the declared transfers: sums, never by node."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Metric

from skyrack.orchestrator.runtime.transfers import Totals
from skyrack.v1 import families


def transfer_families(totals: Totals) -> Iterator[Metric]:
    """From the registry's totals."""
    running, ended = families.gauge("skyrack_transfers_running"), families.counter("skyrack_transfers_total")
    delivered = families.counter("skyrack_transfer_delivered_bytes_total")
    resent = families.counter("skyrack_transfer_resent_bytes_total")
    running.add_metric([], totals.running)
    for outcome, times in totals.ended.items():
        ended.add_metric([outcome], times)
    delivered.add_metric([], totals.delivered_bytes)
    resent.add_metric([], totals.resent_bytes)
    yield from (running, ended, delivered, resent)
