"""The run as `skyrack status` shows it."""

from __future__ import annotations

import json
import math
from typing import Any

from skyrack.orchestrator.measure.stats import histogram_quantile
from skyrack.orchestrator.runtime.life import Life
from skyrack.orchestrator.runtime.parts import Parts
from skyrack.orchestrator.topology.epoch import count_kinds
from skyrack.orchestrator.topology.lit import lit_links


class RunStatus:
    """Reads what the parts of a run know; changes nothing."""

    def __init__(self, parts: Parts, life: Life) -> None:
        self._parts = parts
        self._life = life

    def shown(self) -> dict[str, Any]:
        """As `skyrack status` has it."""
        parts, basis, mesh = self._parts, self._parts.basis, self._parts.mesh
        outside, happenings, background = parts.outside, parts.happenings, parts.traffic.background
        fabric = mesh.feed.fabric
        lit = lit_links(mesh.feed.epoch, mesh.feed.failures)
        fleet, away = happenings.launches.status(), happenings.launches.away()
        start, run_s, places = basis.geometry.start, basis.clock.run_s(), basis.places
        piece = basis.timeline.piece_at(run_s)
        return {
            "run": basis.run,
            "name": basis.scenario.name,
            "state": "up" if self._life.ready.is_set() else "starting",
            "http": self._life.http,
            "start": start.isoformat(),
            "t0_monotonic_ns": basis.clock.t0_monotonic_ns,
            "run_s": run_s,
            "orbit_unix_s": start.timestamp() + piece.t_at(run_s),
            "speed": piece.speed,
            "run_dir": str(places.run_dir),
            "socket_dir": str(places.socket_dir),
            "mesh_dir": str(places.mesh_dir),
            "mtu": basis.scenario.mtu,
            "scenario": json.loads(basis.scenario.model_dump_json()),
            "nodes": [self._node(i, name, away.get(i)) for i, name in enumerate(basis.roster.names)],
            "fleet": fleet,
            "services": mesh.services.listed(),
            "fabric": {
                "inner_pid": fabric.pid if fabric else 0,
                "scheduler": fabric.scheduler if fabric else "",
                "scheduler_reason": fabric.scheduler_reason if fabric else "",
            },
            "links": count_kinds(lit.kind),
            "background": {"flows": len(background.flows), "rate_bps": background.rate_bps},
            "bus": None if (way := outside.broker.status()) is None else way | outside.bus.counters(),
            "entries": outside.entries.status(),
            "fidelity": self._fidelity(),
            "faults": happenings.faults.view.acting(),
            "events_lost": basis.events.lost,
            "clock": parts.clock_control.now(),
            "radiation": None if happenings.radiation is None else happenings.radiation.status(),
        }

    def _node(self, index: int, name: str, away: str | None) -> dict[str, Any]:
        roster = self._parts.basis.roster
        node = self._parts.basis.book.by_index.get(index)
        return {
            "name": name,
            "kind": roster.kind(index),
            "state": node.state if node else away or "bare",
            "inhabited": node is not None,
            "inner_pid": node.pid if node else 0,
            "address": roster.address(index),
            "restarts": node.restarts if node else 0,
            "drained": name in self._parts.mesh.services.drained,
        }

    def _fidelity(self) -> dict[str, Any] | None:
        """What the run's own probes have shown; quantiles are bounds of buckets, None while nothing was answered."""
        probes = self._parts.traffic.probes
        if not probes.on:
            return None
        tally = probes.tally
        p50_s, p99_s = (histogram_quantile(tally.error.bounds, tally.error.counts, q) for q in (0.5, 0.99))
        return {
            "probes": dict(tally.outcomes),
            "error_p50_s": _finite(p50_s),
            "error_p99_s": _finite(p99_s),
        }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
