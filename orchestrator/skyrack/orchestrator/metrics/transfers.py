"""Families of the declared transfers: sums, never by node."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Metric

from skyrack.orchestrator.runtime.transfers import Totals
from skyrack.v1 import families


def transfer_families(totals: Totals) -> Iterator[Metric]:
    """From the registry's totals."""
    yield families.gauge("skyrack_transfers_running", totals.running)
    ended = families.counter("skyrack_transfers_total")
    for outcome, times in totals.ended.items():
        ended.add_metric([outcome], times)
    yield ended
    yield families.counter("skyrack_transfer_delivered_bytes_total", totals.delivered_bytes)
    yield families.counter("skyrack_transfer_resent_bytes_total", totals.resent_bytes)
