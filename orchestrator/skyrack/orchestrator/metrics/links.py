"""Families of single links, one series per direction; of the most interesting ones where there are very many."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from prometheus_client import Metric

from skyrack.orchestrator.topology.epoch import KIND_NAMES
from skyrack.orchestrator.topology.lit import Links
from skyrack.v1 import families
from skyrack.v1.metrics import MOST_LINKS


@dataclass(frozen=True, slots=True)
class LinkSample:
    """One direction of a link. `counters` as the fabric has them, None while it has carried and dropped nothing."""

    src: str
    dst: str
    kind: str
    delay_s: float
    counters: Mapping[str, float] | None


def link_samples(
    links: Links,
    names: Sequence[str],
    inhabited: Collection[int],
    pair_number: Callable[[int, int], int | None],
    delay_s: NDArray[np.float64],
    counters: Mapping[str, Sequence[float]],
) -> list[LinkSample]:
    """The links, at most MOST_LINKS: first those that carried something or have an inhabited end.

    `delay_s` and each of `counters`: by number of the direction, 2k and 2k + 1 for the pair k; a negative delay is no link.
    """
    first: list[LinkSample] = []
    others: list[LinkSample] = []
    for a, b, kind in zip(*(ends.tolist() for ends in links), strict=True):
        pair = pair_number(a, b)
        if pair is None:
            continue
        for number, src, dst in ((2 * pair, a, b), (2 * pair + 1, b, a)):
            if delay_s[number] < 0.0:
                continue
            used = any(counters[name][number] for name in ("packets", "dropped_queue", "dropped_loss"))
            values = {name: column[number] for name, column in counters.items()} if used else None
            sample = LinkSample(names[src], names[dst], KIND_NAMES[kind], float(delay_s[number]), values)
            (first if used or src in inhabited or dst in inhabited else others).append(sample)
    return (first + others)[:MOST_LINKS]


def link_families(samples: Iterable[LinkSample]) -> Iterator[Metric]:
    """From the links to show."""
    delay = families.gauge("skyrack_link_delay_seconds")
    packets = families.counter("skyrack_link_packets_total")
    size = families.counter("skyrack_link_bytes_total")
    wait = families.counter("skyrack_link_wait_seconds_total")
    drops = families.counter("skyrack_link_dropped_packets_total")
    for link in samples:
        where = [link.src, link.dst, link.kind]
        delay.add_metric(where, link.delay_s)
        if link.counters is not None:
            packets.add_metric(where, link.counters["packets"])
            size.add_metric(where, link.counters["bytes"])
            wait.add_metric(where, link.counters["wait_s"])
            drops.add_metric([*where, "queue"], link.counters["dropped_queue"])
            drops.add_metric([*where, "loss"], link.counters["dropped_loss"])
    yield from (delay, packets, size, wait, drops)
