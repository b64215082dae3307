"""Families of faults: how many act, how many things of them failed, and what they add to the delay of links."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from prometheus_client import Metric

from skyrack.orchestrator.topology.epoch import KIND_NAMES
from skyrack.orchestrator.topology.lit import Links
from skyrack.v1 import families
from skyrack.v1.metrics import MOST_LINKS


def fault_families(
    active: Mapping[str, int],
    failures: Mapping[str, int],
    extra_s: Mapping[tuple[int, int], float],
    links: Links,
    names: Sequence[str],
) -> Iterator[Metric]:
    """`active`: faults by kind. `failures`: what could not be done or undone, by kind.

    `extra_s`: by direction of a link; shown of `links` in force, MOST_LINKS of them at most.
    """
    acting = families.gauge("skyrack_fault_active")
    for fault, count in active.items():
        acting.add_metric([fault], count)
    yield acting
    failed = families.counter("skyrack_fault_failures_total")
    for fault, count in failures.items():
        failed.add_metric([fault], count)
    yield failed
    delay = families.gauge("skyrack_link_extra_delay_seconds")
    if extra_s:
        for src, dst, kind in islice(_directions(links, extra_s), MOST_LINKS):
            delay.add_metric([names[src], names[dst], KIND_NAMES[kind]], extra_s[src, dst])
    yield delay


def _directions(links: Links, of: Mapping[tuple[int, int], float]) -> Iterator[tuple[int, int, int]]:
    for a, b, kind in zip(*(ends.tolist() for ends in links), strict=True):
        yield from ((src, dst, kind) for src, dst in ((a, b), (b, a)) if (src, dst) in of)
