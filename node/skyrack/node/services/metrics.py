"""What a node tells Prometheus about its services."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import Metric

from skyrack.node.services.service import Service
from skyrack.v1 import families, service_pb2


def service_metrics(node: str, services: Iterable[Service]) -> Iterator[Metric]:
    """Every family, as it is now."""
    up, ready = families.gauge("skyrack_service_up"), families.gauge("skyrack_service_ready")
    restarts = families.counter("skyrack_service_restarts_total")
    bites = families.counter("skyrack_service_watchdog_restarts_total")
    cpu = families.counter("skyrack_service_cpu_seconds_total")
    memory = families.gauge("skyrack_service_resident_bytes")
    for service in services:
        labels = [node, service.spec.name]
        usage = service.usage()
        up.add_metric(labels, service.runs)
        ready.add_metric(labels, service.status.phase == service_pb2.SERVICE_PHASE_READY)
        restarts.add_metric(labels, service.status.restarts)
        bites.add_metric(labels, service.status.watchdog_restarts)
        cpu.add_metric(labels, usage.cpu_s)
        memory.add_metric(labels, usage.resident_bytes)
    yield from (up, ready, restarts, bites, cpu, memory)
