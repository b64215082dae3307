"""Families of what nodes have in custody; only where the strategy stores and forwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client import Metric

from skyrack.orchestrator.runtime.bundles import BundleTotals
from skyrack.orchestrator.runtime.stores import Stores
from skyrack.v1 import families


def custody_families(
    stores: Stores, totals: BundleTotals, nodes: Sequence[int], names: Sequence[str]
) -> Iterator[Metric]:
    """For every one of `nodes`, those that can store, and in sum."""
    stored, bundles = families.gauge("skyrack_custody_bytes"), families.gauge("skyrack_custody_bundles")
    for node in nodes:
        stored.add_metric([names[node]], stores.used_bytes.get(node, 0))
        bundles.add_metric([names[node]], stores.bundles.get(node, 0))
    yield stored
    yield bundles
    yield families.gauge("skyrack_custody_limit_bytes", stores.limit_bytes)
    ended = families.counter("skyrack_bundles_total")
    for outcome, times in totals.ended.items():
        ended.add_metric([outcome], times)
    yield ended
    yield families.counter("skyrack_bundles_stored_total", totals.stored)
    yield families.counter("skyrack_contacts_missed_total", totals.missed)
