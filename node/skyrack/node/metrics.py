"""What a node tells Prometheus. Everything is read when it is scraped; nothing polls."""

import os
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily

from skyrack.node.clock import Clock
from skyrack.node.config import NodeConfig
from skyrack.node.control_link import ControlLink
from skyrack.node.device import DEVICE
from skyrack.node.fabric_link import FabricLink
from skyrack.node.logs import JsonLines
from skyrack.node.service import EchoCounters

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class NodeCollector:
    """A prometheus_client collector over the node's parts and /proc."""

    def __init__(
        self,
        config: NodeConfig,
        clock: Clock,
        fabric: FabricLink,
        control: ControlLink,
        echo: EchoCounters,
        lines: JsonLines,
    ) -> None:
        self._config = config
        self._clock = clock
        self._fabric = fabric
        self._control = control
        self._echo = echo
        self._lines = lines
        self._started_ns = clock.monotonic_ns()

    def collect(self) -> Iterator[Metric]:
        info = InfoMetricFamily("skyrack_node", "What the node is.", labels=["node"])
        info.add_metric([self._config.name], {"kind": self._config.kind, "address": self._config.address})
        yield info
        uptime_s = (self._clock.monotonic_ns() - self._started_ns) / 1e9
        yield self._gauge("uptime_seconds", "Time since the process began to serve.", uptime_s)
        yield self._gauge("attached", "1 while the fabric serves the lasers.", self._fabric.attached)
        yield self._counter("attaches", "Times the fabric took the node.", self._fabric.attaches)
        yield self._gauge("joined", "1 while the orchestrator's stream is open.", self._control.joined)
        yield self._counter("updates", "Updates received from the orchestrator.", self._control.updates)
        knowledge = self._control.knowledge
        links = 0 if knowledge is None else len(knowledge.neighbours)
        yield self._gauge("neighbours", "Nodes one link away in the epoch in force.", links)
        yield self._counter("echo_requests", "Echo requests answered.", self._echo.requests)
        yield self._directions(
            "echo_bytes", "Payload of Echo.", self._echo.received_bytes, self._echo.sent_bytes
        )
        yield self._counter("log_errors", "Log records that could not be written.", self._lines.errors)
        yield from self._device()
        yield from self._process()

    def _device(self) -> Iterator[Metric]:
        counters = read_device_counters(Path("/proc/net/dev").read_text())
        if counters is None:
            return
        names = {
            "mesh_bytes": "IP bytes through mesh0.",
            "mesh_packets": "Packets through mesh0; a super-packet counts as one.",
            "mesh_errors": "Errors at mesh0.",
            "mesh_drops": "Packets the kernel dropped at mesh0.",
        }
        for column, (name, text) in enumerate(names.items()):
            yield self._directions(name, text, counters[column], counters[column + 8])

    def _process(self) -> Iterator[Metric]:
        times = os.times()
        yield self._counter("cpu_seconds", "CPU time of the process.", times.user + times.system)
        run_delay_ns = sum(
            read_run_delay_ns(path.read_text()) for path in Path("/proc/self/task").glob("*/schedstat")
        )
        text = "Time the process's threads were ready but not running."
        yield self._counter("run_delay_seconds", text, run_delay_ns / 1e9)
        resident_bytes = int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES
        text = "Resident memory, pages shared with other nodes included."
        yield self._gauge("resident_memory_bytes", text, resident_bytes)
        open_fds = len(os.listdir("/proc/self/fd"))
        yield self._gauge("open_fds", "Open file descriptors.", open_fds)

    def _gauge(self, name: str, text: str, value: float) -> Metric:
        family = GaugeMetricFamily(f"skyrack_node_{name}", text, labels=["node"])
        family.add_metric([self._config.name], value)
        return family

    def _counter(self, name: str, text: str, value: float) -> Metric:
        family = CounterMetricFamily(f"skyrack_node_{name}", text, labels=["node"])
        family.add_metric([self._config.name], value)
        return family

    def _directions(self, name: str, text: str, received: float, sent: float) -> Metric:
        family = CounterMetricFamily(f"skyrack_node_{name}", text, labels=["node", "direction"])
        family.add_metric([self._config.name, "received"], received)
        family.add_metric([self._config.name, "sent"], sent)
        return family


def exposition(collector: NodeCollector) -> bytes:
    """The metrics in Prometheus's text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return generate_latest(registry)


def read_device_counters(text: str) -> list[int] | None:
    """The 16 counters of mesh0 in the text of /proc/net/dev (8 received, 8 sent); None without the device."""
    for line in text.splitlines():
        name, _, numbers = line.partition(":")
        if name.strip() == DEVICE:
            return [int(number) for number in numbers.split()]
    return None


def read_run_delay_ns(text: str) -> int:
    """Nanoseconds spent waiting for a CPU, in the text of a thread's schedstat."""
    return int(text.split()[1])
