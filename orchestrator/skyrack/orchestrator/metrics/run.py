"""Families of the run as a whole: nodes, links, events, handovers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import Metric

from skyrack.v1 import families


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a status does not say: links in force by kind; handovers by station; events by name."""

    partitions: int
    links_lit: Mapping[str, int]
    handovers: Mapping[str, int]
    events: Mapping[str, int]


def run_families(status: Mapping[str, Any], facts: RunFacts) -> Iterator[Metric]:
    """From a status (GET /v1/status) and the facts beside it."""
    info = families.gauge("skyrack_run_info")
    info.add_metric([status["run"], status["name"]], 1)
    yield info
    yield families.gauge("skyrack_run_seconds", status["run_s"])
    yield families.gauge("skyrack_orbit_time_seconds", status["orbit_unix_s"])
    yield families.gauge("skyrack_clock_speed_ratio", status["speed"])
    up, restarts = families.gauge("skyrack_node_up"), families.counter("skyrack_node_restarts_total")
    for node in status["nodes"]:
        if node["inhabited"]:
            up.add_metric([node["name"], node["kind"]], node["state"] == "serving")
            restarts.add_metric([node["name"], node["kind"]], node["restarts"])
    yield from (up, restarts)
    fleet = families.gauge("skyrack_satellites")
    for phase, count in status["fleet"]["phases"].items():
        fleet.add_metric([phase], count)
    yield fleet
    lit = families.gauge("skyrack_links_lit")
    for kind, count in facts.links_lit.items():
        lit.add_metric([kind], count)
    yield lit
    yield families.gauge("skyrack_partitions", facts.partitions)
    handovers, events = families.counter("skyrack_handovers_total"), families.counter("skyrack_events_total")
    for station, times in facts.handovers.items():
        handovers.add_metric([station], times)
    for event, times in facts.events.items():
        events.add_metric([event], times)
    yield from (handovers, events)
    yield families.counter("skyrack_events_lost_total", status["events_lost"])
    bus: Mapping[str, Any] = status["bus"] or {}
    yield families.gauge("skyrack_bus_connected", bus.get("connected", 0))
    for name in ("published", "dropped", "reconnects"):
        yield families.counter(f"skyrack_bus_{name}_total", bus.get(name, 0))
    scheduler = status["fabric"]["scheduler"]
    yield families.gauge("skyrack_fabric_up", bool(scheduler))
    yield families.gauge("skyrack_fabric_realtime", scheduler == "fifo")
