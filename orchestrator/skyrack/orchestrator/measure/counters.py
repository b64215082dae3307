"""The fabric's own figures over a measurement, from cumulative counters read about once a second. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from skyrack.orchestrator.measure.host import QuietTimes
from skyrack.orchestrator.measure.stats import histogram_quantile

# What the scenario or a fault orders: seeded loss and drop-tail queues. A probe lost to these is a faithful probe, and so
# is one that a link damaged on purpose.
ORDERED = ("loss", "queue")


@dataclass(frozen=True, slots=True)
class FabricFigures:
    """What the fabric says about itself. Quantiles are bucket bounds, over quiet windows, None when there were none.

    lateness: actual minus due time of deliveries. ingress_lag: how long a packet can have waited at its TUN device.
    tun_dropped: packets the kernel dropped before the fabric could read them. busy_ratio: the part of the time its
    loop was at work.
    """

    lateness_p50_s: float | None
    lateness_p99_s: float | None
    ingress_lag_p99_s: float | None
    tun_dropped: int
    restarts: int
    busy_ratio: float | None
    packets: int
    drops: Mapping[str, int]
    corrupted: int = 0

    @property
    def ordered_drops(self) -> int:
        """Packets dropped, or damaged so that their receivers drop them, because the scenario or a fault says so."""
        return sum(self.drops.get(reason, 0) for reason in ORDERED) + self.corrupted


def figures(
    readings: Sequence[Mapping[str, Any]], quiet: QuietTimes, events: Sequence[Mapping[str, Any]] = ()
) -> FabricFigures:
    """Figures between the first and the last of `GET /v1/fabric` readings, in order, each with `tun_dropped` added.

    Counters that fall (another fabric process took over) start again from zero.
    """
    lateness: list[int] = []
    lag: list[int] = []
    bounds: Mapping[str, Sequence[float]] = {}
    drops: dict[str, int] = {}
    tun_dropped = packets = corrupted = 0
    busy_s = elapsed_s = 0.0
    for before, after in pairwise(readings):
        tun_dropped += _rise(before["tun_dropped"], after["tun_dropped"])
        packets += _rise(before["packets"], after["packets"])
        corrupted += _rise(before["corrupted"], after["corrupted"])
        for reason, count in after["drops"].items():
            drops[reason] = drops.get(reason, 0) + _rise(before["drops"].get(reason, 0), count)
        if quiet.covers(before["run_s"], after["run_s"]):
            bounds = {"lateness": after["lateness"]["le_s"], "ingress_lag": after["ingress_lag"]["le_s"]}
            lateness = _add(lateness, before["lateness"]["counts"], after["lateness"]["counts"])
            lag = _add(lag, before["ingress_lag"]["counts"], after["ingress_lag"]["counts"])
            busy_s += max(0.0, after["busy_s"] - before["busy_s"])
            elapsed_s += after["run_s"] - before["run_s"]
    return FabricFigures(
        lateness_p50_s=_quantile(bounds.get("lateness"), lateness, 0.5),
        lateness_p99_s=_quantile(bounds.get("lateness"), lateness, 0.99),
        ingress_lag_p99_s=_quantile(bounds.get("ingress_lag"), lag, 0.99),
        tun_dropped=tun_dropped,
        restarts=sum(event["event"] == "fabric_down" for event in events),
        busy_ratio=busy_s / elapsed_s if elapsed_s > 0 else None,
        packets=packets,
        drops=drops,
        corrupted=corrupted,
    )


def _rise(before: int, after: int) -> int:
    return after - before if after >= before else after


def _add(total: list[int], before: Sequence[int], after: Sequence[int]) -> list[int]:
    risen = [_rise(a, b) for a, b in zip(before, after, strict=True)]
    return [a + b for a, b in zip(total, risen, strict=True)] if total else risen


def _quantile(bounds: Sequence[float] | None, counts: Sequence[int], q: float) -> float | None:
    # The API writes the last bucket's bound as null or leaves it out.
    finite = [bound for bound in bounds or () if bound is not None]
    return histogram_quantile(finite[: len(counts) - 1], counts, q) if counts else None
