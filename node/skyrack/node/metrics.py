"""What a node tells Prometheus. Everything is read when it is scraped; nothing polls."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import Metric

from skyrack.node.clock import Clock
from skyrack.node.config import NodeConfig
from skyrack.node.control_link import ControlLink
from skyrack.node.device import DEVICE
from skyrack.node.fabric_link import FabricLink
from skyrack.node.logs import JsonLines
from skyrack.node.service import EchoCounters
from skyrack.node.service_host import ServiceHost
from skyrack.v1 import families
from skyrack.v1.bus import Bus
from skyrack.v1.telemetry import FLIGHT_MODES

if TYPE_CHECKING:
    from skyrack.node.flight.pilot import Pilot

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
        bus: Bus | None,
        services: ServiceHost,
        pilot: Pilot | None = None,
    ) -> None:
        self._config = config
        self._clock = clock
        self._fabric = fabric
        self._control = control
        self._echo = echo
        self._lines = lines
        self._bus = bus
        self._services = services
        self._pilot = pilot
        self._started_ns = clock.monotonic_ns()

    def collect(self) -> Iterator[Metric]:
        """Every family, as it is now."""
        info = families.gauge("skyrack_node_info")
        info.add_metric([self._config.name, self._config.kind, self._config.address], 1)
        yield info
        uptime_s = (self._clock.monotonic_ns() - self._started_ns) / 1e9
        yield self._gauge("skyrack_node_uptime_seconds", uptime_s)
        yield self._gauge("skyrack_node_attached", self._fabric.attached)
        yield self._counter("skyrack_node_attaches_total", self._fabric.attaches)
        yield self._gauge("skyrack_node_joined", self._control.joined)
        yield self._counter("skyrack_node_updates_total", self._control.updates)
        knowledge = self._control.knowledge
        links = 0 if knowledge is None else len(knowledge.neighbours)
        yield self._gauge("skyrack_node_neighbours", links)
        yield self._counter("skyrack_node_echo_requests_total", self._echo.requests)
        yield self._directions(
            "skyrack_node_echo_bytes_total", self._echo.received_bytes, self._echo.sent_bytes
        )
        supervisor = self._services.supervisor
        lost_lines = supervisor.lost_lines if supervisor is not None else 0
        yield self._counter("skyrack_node_log_errors_total", self._lines.file.errors + lost_lines)
        yield from self._device()
        yield from self._process()
        yield from self._messages()
        if supervisor is not None:
            yield from supervisor.metrics()
        if self._pilot is not None:
            yield from self._flight(self._pilot)

    def _flight(self, pilot: Pilot) -> Iterator[Metric]:
        now = pilot.readings
        if now is None:
            return
        modes = families.gauge("skyrack_node_flight_mode")
        for number, word in FLIGHT_MODES.items():
            modes.add_metric([self._config.name, word], now.decision.mode.value == number)
        yield modes
        yield self._gauge("skyrack_node_battery_ratio", now.charge_ratio)
        yield self._gauge("skyrack_node_battery_wear_ratio", now.wear_ratio)
        if now.temperature_c is not None:
            yield self._gauge("skyrack_node_temperature_celsius", now.temperature_c)
        yield self._gauge("skyrack_node_power_in_watts", now.sun_w)
        yield self._gauge("skyrack_node_power_out_watts", now.load_w)
        yield self._counter("skyrack_node_energy_in_joules_total", now.in_j)
        yield self._counter("skyrack_node_energy_out_joules_total", now.out_j)
        yield self._counter("skyrack_node_energy_unserved_joules_total", now.unserved_j)
        yield self._gauge("skyrack_node_cpu_busy_cores", now.used_cores)
        if pilot.allowed_cores is not None:
            yield self._gauge("skyrack_node_cpu_allowed_cores", pilot.allowed_cores)

    def _device(self) -> Iterator[Metric]:
        counters = read_device_counters(Path("/proc/net/dev").read_text())
        if counters is None:
            return
        for column, what in enumerate(("bytes", "packets", "errors", "drops")):
            yield self._directions(f"skyrack_node_mesh_{what}_total", counters[column], counters[column + 8])

    def _process(self) -> Iterator[Metric]:
        times = os.times()
        yield self._counter("skyrack_node_cpu_seconds_total", times.user + times.system)
        run_delay_ns = sum(
            read_run_delay_ns(path.read_text()) for path in Path("/proc/self/task").glob("*/schedstat")
        )
        yield self._counter("skyrack_node_run_delay_seconds_total", run_delay_ns / 1e9)
        yield self._gauge("skyrack_node_resident_memory_bytes", resident_bytes())
        open_fds = len(os.listdir("/proc/self/fd"))
        yield self._gauge("skyrack_node_open_fds", open_fds)

    def _messages(self) -> Iterator[Metric]:
        bus = self._bus
        yield self._gauge("skyrack_node_bus_connected", bus.connected if bus else 0)
        yield self._counter("skyrack_node_bus_published_total", bus.published if bus else 0)
        yield self._counter("skyrack_node_bus_dropped_total", bus.dropped if bus else 0)
        yield self._counter("skyrack_node_bus_reconnects_total", bus.reconnects if bus else 0)

    def _gauge(self, name: str, value: float) -> Metric:
        family = families.gauge(name)
        family.add_metric([self._config.name], value)
        return family

    def _counter(self, name: str, value: float) -> Metric:
        family = families.counter(name)
        family.add_metric([self._config.name], value)
        return family

    def _directions(self, name: str, received: float, sent: float) -> Metric:
        family = families.counter(name)
        family.add_metric([self._config.name, "received"], received)
        family.add_metric([self._config.name, "sent"], sent)
        return family


def exposition(collector: NodeCollector) -> bytes:
    """The metrics in Prometheus's text format."""
    return families.exposition(collector.collect()).encode()


def read_device_counters(text: str) -> list[int] | None:
    """The 16 counters of mesh0 in the text of /proc/net/dev (8 received, 8 sent); None without the device."""
    for line in text.splitlines():
        name, _, numbers = line.partition(":")
        if name.strip() == DEVICE:
            return [int(number) for number in numbers.split()]
    return None


def resident_bytes() -> int:
    """Resident memory of this process, pages shared with others included."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES


def read_run_delay_ns(text: str) -> int:
    """Nanoseconds spent waiting for a CPU, in the text of a thread's schedstat."""
    return int(text.split()[1])
