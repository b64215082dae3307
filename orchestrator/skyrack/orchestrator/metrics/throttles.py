"""Families of throttling: what services of nodes are held to, because flight software allows them no more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import Metric

from skyrack.v1 import families


def throttle_families(allowed: Mapping[str, float], failures: int) -> Iterator[Metric]:
    """`allowed`: cores by name of a node, infinite for no limit. `failures`: how often it could not be done."""
    cores = families.gauge("skyrack_throttle_cpu_cores")
    for node, value in allowed.items():
        cores.add_metric([node], value)
    yield cores
    yield families.counter("skyrack_throttle_failures_total", failures)
