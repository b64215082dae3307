"""What the API asks of a run: its state, the fabric's counters, computed round trips."""

from __future__ import annotations

import json
import math
from typing import Any

from skyrack.orchestrator.clock import RealClock
from skyrack.orchestrator.measure.stats import histogram_quantile
from skyrack.orchestrator.runtime.background import Background
from skyrack.orchestrator.runtime.brokers import Broker
from skyrack.orchestrator.runtime.bus import RunBus
from skyrack.orchestrator.runtime.entries import Entries
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.fault_view import FaultView
from skyrack.orchestrator.runtime.feed import Feed
from skyrack.orchestrator.runtime.launches import Launches
from skyrack.orchestrator.runtime.nodes import NodeBook
from skyrack.orchestrator.runtime.places import Places
from skyrack.orchestrator.runtime.probes import OwnProbes
from skyrack.orchestrator.runtime.roster import Roster
from skyrack.orchestrator.runtime.services.services import Services
from skyrack.orchestrator.scenario import Scenario
from skyrack.orchestrator.timeline import Timeline
from skyrack.orchestrator.topology.epoch import count_kinds
from skyrack.orchestrator.topology.geometry import Geometry
from skyrack.orchestrator.topology.lit import lit_links


class Answers:
    """Reads what the parts of a run know; changes nothing."""

    def __init__(
        self,
        run: str,
        scenario: Scenario,
        places: Places,
        geometry: Geometry,
        timeline: Timeline,
        roster: Roster,
        book: NodeBook,
        feed: Feed,
        events: EventLog,
        clock: RealClock,
        broker: Broker,
        entries: Entries,
        bus: RunBus,
        background: Background,
        probes: OwnProbes,
        services: Services,
        faults: FaultView,
        launches: Launches,
    ) -> None:
        self._run = run
        self._scenario = scenario
        self._places = places
        self._geometry = geometry
        self._timeline = timeline
        self._roster = roster
        self._book = book
        self._feed = feed
        self._events = events
        self._clock = clock
        self._broker = broker
        self._entries = entries
        self._bus = bus
        self._background = background
        self._probes = probes
        self._services = services
        self._faults = faults
        self._launches = launches

    def status(self, state: str, http: str) -> dict[str, Any]:
        """The run as `skyrack status` shows it."""
        fabric = self._feed.fabric
        lit = lit_links(self._feed.epoch, self._feed.failures)
        fleet, away = self._launches.status(), self._launches.away()
        start, run_s, places = self._geometry.start, self._clock.run_s(), self._places
        piece = self._timeline.piece_at(run_s)
        return {
            "run": self._run,
            "name": self._scenario.name,
            "state": state,
            "http": http,
            "start": start.isoformat(),
            "t0_monotonic_ns": self._clock.t0_monotonic_ns,
            "run_s": run_s,
            "orbit_unix_s": start.timestamp() + piece.t_at(run_s),
            "speed": piece.speed,
            "run_dir": str(places.run_dir),
            "socket_dir": str(places.socket_dir),
            "mesh_dir": str(places.mesh_dir),
            "mtu": self._scenario.mtu,
            "scenario": json.loads(self._scenario.model_dump_json()),
            "nodes": [self._node(i, name, away.get(i)) for i, name in enumerate(self._roster.names)],
            "fleet": fleet,
            "services": self._services.listed(),
            "fabric": {
                "inner_pid": fabric.pid if fabric else 0,
                "scheduler": fabric.scheduler if fabric else "",
                "scheduler_reason": fabric.scheduler_reason if fabric else "",
            },
            "links": count_kinds(lit.kind),
            "background": {"flows": len(self._background.flows), "rate_bps": self._background.rate_bps},
            "bus": None if (way := self._broker.status()) is None else way | self._bus.counters(),
            "entries": self._entries.status(),
            "fidelity": self._fidelity(),
            "faults": self._faults.acting(),
            "events_lost": self._events.lost,
        }

    def _node(self, index: int, name: str, away: str | None) -> dict[str, Any]:
        node = self._book.by_index.get(index)
        return {
            "name": name,
            "kind": self._roster.kind(index),
            "state": node.state if node else away or "bare",
            "inhabited": node is not None,
            "inner_pid": node.pid if node else 0,
            "address": self._roster.address(index),
            "restarts": node.restarts if node else 0,
            "drained": name in self._services.drained,
        }

    def _fidelity(self) -> dict[str, Any] | None:
        """What the run's own probes have shown; quantiles are bounds of buckets, None while nothing was answered."""
        if not self._probes.on:
            return None
        tally = self._probes.tally
        p50_s, p99_s = (histogram_quantile(tally.error.bounds, tally.error.counts, q) for q in (0.5, 0.99))
        return {
            "probes": dict(tally.outcomes),
            "error_p50_s": _finite(p50_s),
            "error_p99_s": _finite(p99_s),
        }

    async def fabric_counters(self) -> dict[str, Any]:
        """Cumulative counters of the fabric process. Raises RuntimeError while there is none."""
        if self._feed.fabric is None:
            raise RuntimeError("the fabric is not up")
        counters = await self._feed.fabric.counters()
        counters.pop("nodes")
        counters.pop("flows")
        return counters

    async def computed(self, probes: list[list[Any]]) -> list[dict[str, Any]]:
        """Computed round trips for [run_s, a, b, ip_bytes] probes, in their order. Raises KeyError."""
        require = self._roster.require
        return await self._feed.oracle.computed(
            [(float(run_s), require(a), require(b), int(size)) for run_s, a, b, size in probes]
        )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
