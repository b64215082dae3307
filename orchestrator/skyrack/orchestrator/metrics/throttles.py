"""Families of throttling: what services of nodes are held to, because flight software allows them no more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import Metric

from skyrack.v1 import families


def throttle_families(in_force: Mapping[str, float], failures: int) -> Iterator[Metric]:
    """`in_force`: cores by name of a node. `failures`: how often it could not be done."""
    cores = families.gauge("skyrack_throttle_cpu_cores")
    for node, allowed in in_force.items():
        cores.add_metric([node], allowed)
    yield cores
    failed = families.counter("skyrack_throttle_failures_total")
    failed.add_metric([], failures)
    yield failed
