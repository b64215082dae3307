"""Prometheus metrics of a run: the orchestrator's and the fabric's own, merged with every node's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

MOST_LINKS = 4_000  # series per link metric; beyond, only the busiest would be readable anyway
NODE_TIMEOUT_S = 2.0
CONCURRENT_SCRAPES = 32


class RunCollector:
    """The families of one scrape, from a status (see `Run.status`) and the fabric's counters."""

    def __init__(
        self, status: Mapping[str, Any], fabric: Mapping[str, Any] | None, links: Iterable[LinkSample]
    ) -> None:
        self._status = status
        self._fabric = fabric
        self._links = links

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        yield from self._run()
        if self._fabric is not None:
            yield from self._fabric_families(self._fabric)
            yield from self._link_families()

    def _run(self) -> Iterator[Metric]:
        status = self._status
        info = GaugeMetricFamily("skyrack_run_info", "The run: always 1.", labels=["run", "scenario"])
        info.add_metric([status["run"], status["name"]], 1)
        yield info
        yield GaugeMetricFamily(
            "skyrack_run_seconds", "Real time since the start of the run.", status["run_s"]
        )
        yield GaugeMetricFamily(
            "skyrack_orbit_time_seconds", "Orbit time in force, as Unix time.", status["orbit_unix_s"]
        )
        lit = GaugeMetricFamily(
            "skyrack_links_lit", "Links in force in this epoch, by kind.", labels=["kind"]
        )
        for kind, count in status["links"].items():
            lit.add_metric([kind], count)
        yield lit
        up = GaugeMetricFamily(
            "skyrack_node_up", "1 while the node serves and its lasers are lit.", labels=["node", "kind"]
        )
        restarts = CounterMetricFamily(
            "skyrack_node_restarts", "Starts after the first one.", labels=["node", "kind"]
        )
        for node in status["nodes"]:
            if node["inhabited"]:
                up.add_metric([node["name"], node["kind"]], node["state"] == "serving")
                restarts.add_metric([node["name"], node["kind"]], node["restarts"])
        yield up
        yield restarts
        yield CounterMetricFamily(
            "skyrack_events_lost", "Events that could not be written to disk.", status["events_lost"]
        )

    def _fabric_families(self, fabric: Mapping[str, Any]) -> Iterator[Metric]:
        for name, text, value in (
            (
                "skyrack_fabric_ingress_packets",
                "Packets and trains read from nodes.",
                fabric["ingress_packets"],
            ),
            ("skyrack_fabric_ingress_bytes", "Bytes read from nodes.", fabric["ingress_bytes"]),
            (
                "skyrack_fabric_delivered_packets",
                "Packets (segments of trains) written to nodes.",
                fabric["packets"],
            ),
            (
                "skyrack_fabric_delivered_bytes",
                "Bytes on the wire of what was written to nodes.",
                fabric["bytes"],
            ),
            ("skyrack_fabric_busy_seconds", "Time the event loop did not wait.", fabric["busy_s"]),
            ("skyrack_fabric_wakeups", "Times the event loop waited and woke.", fabric["wakeups"]),
            (
                "skyrack_fabric_late_segments",
                "Link updates that came after they were due.",
                fabric["late_segments"],
            ),
        ):
            yield CounterMetricFamily(name, text, value)
        drops = CounterMetricFamily(
            "skyrack_fabric_dropped_packets", "Packets not delivered, by reason.", labels=["reason"]
        )
        for reason, count in fabric["drops"].items():
            drops.add_metric([reason], count)
        yield drops
        yield _histogram(
            "skyrack_fabric_lateness_seconds", "Actual minus due time of each delivery.", fabric["lateness"]
        )
        yield _histogram(
            "skyrack_fabric_ingress_lag_seconds",
            "Upper bound of what a packet waited before the fabric read it.",
            fabric["ingress_lag"],
        )

    def _link_families(self) -> Iterator[Metric]:
        labels = ["src", "dst", "kind"]
        packets = CounterMetricFamily("skyrack_link_packets", "Packets carried.", labels=labels)
        size = CounterMetricFamily("skyrack_link_bytes", "Bytes carried.", labels=labels)
        wait = CounterMetricFamily(
            "skyrack_link_wait_seconds", "Time packets waited in the queue.", labels=labels
        )
        drops = CounterMetricFamily(
            "skyrack_link_dropped_packets", "Packets dropped.", labels=[*labels, "reason"]
        )
        for link in self._links:
            where = [link.src, link.dst, link.kind]
            packets.add_metric(where, link.packets)
            size.add_metric(where, link.bytes)
            wait.add_metric(where, link.wait_s)
            drops.add_metric([*where, "queue"], link.dropped_queue)
            drops.add_metric([*where, "loss"], link.dropped_loss)
        yield from (packets, size, wait, drops)


class LinkSample:
    """Counters of one directed link that has carried something, with its ends' names."""

    __slots__ = ("bytes", "dropped_loss", "dropped_queue", "dst", "kind", "packets", "src", "wait_s")

    def __init__(self, src: str, dst: str, kind: str, counters: Mapping[str, float]) -> None:
        self.src, self.dst, self.kind = src, dst, kind
        self.packets = counters["packets"]
        self.bytes = counters["bytes"]
        self.dropped_queue = counters["dropped_queue"]
        self.dropped_loss = counters["dropped_loss"]
        self.wait_s = counters["wait_s"]


def _histogram(name: str, text: str, data: Mapping[str, Any]) -> HistogramMetricFamily:
    total = 0
    buckets: list[tuple[str, float]] = []
    for bound, count in zip([*map(str, data["le_s"]), "+Inf"], data["counts"], strict=True):
        total += count
        buckets.append((bound, total))
    return HistogramMetricFamily(name, text, buckets=buckets, sum_value=data["sum_s"])


def exposition(collector: RunCollector) -> str:
    """The collector's families in the text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return generate_latest(registry).decode()


async def scrape(path: Path) -> str | None:
    """A node's metrics from its Unix socket; None when it does not answer."""
    timeout = aiohttp.ClientTimeout(total=NODE_TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path)), timeout=timeout) as session,
            session.get("http://node/metrics") as response,
        ):
            return await response.text() if response.status == 200 else None
    except (aiohttp.ClientError, TimeoutError, OSError):
        return None


async def scrape_all(paths: Iterable[Path]) -> list[str]:
    """The metrics of all nodes that answer."""
    gate = asyncio.Semaphore(CONCURRENT_SCRAPES)

    async def one(path: Path) -> str | None:
        async with gate:
            return await scrape(path)

    async with asyncio.TaskGroup() as tasks:
        jobs = [tasks.create_task(one(path), name=f"scrape-{path.name}") for path in paths]
    return [text for job in jobs if (text := job.result()) is not None]


def merge(expositions: Iterable[str]) -> str:
    """One exposition from many: each family once, its header from where it is first seen, all samples below it."""
    headers: dict[str, list[str]] = {}
    samples: dict[str, list[str]] = {}
    for text in expositions:
        family = ""
        for line in text.splitlines():
            if line.startswith("# "):
                word, _, rest = line[2:].partition(" ")
                if word not in ("HELP", "TYPE"):
                    continue
                family = rest.split(" ", 1)[0]
                known = headers.setdefault(family, [])
                if len(known) < 2 and not any(entry.startswith(f"# {word} ") for entry in known):
                    known.append(line)
            elif line:
                samples.setdefault(family, []).append(line)
    lines = [line for family, header in headers.items() for line in (*header, *samples.get(family, ()))]
    return "\n".join(lines) + "\n"
