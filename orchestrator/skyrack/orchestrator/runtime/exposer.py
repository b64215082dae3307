"""What Prometheus may read of a run: the run and its fabric as one target, every node as one, and where to find them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.api.scrape import scrape, scrape_all
from skyrack.orchestrator.environment.truth import truth_at
from skyrack.orchestrator.metrics.background import background_families
from skyrack.orchestrator.metrics.custody import custody_families
from skyrack.orchestrator.metrics.environment import environment_families
from skyrack.orchestrator.metrics.fabric import fabric_families
from skyrack.orchestrator.metrics.faults import fault_families
from skyrack.orchestrator.metrics.links import LinkSample, RateOf, link_families, link_samples, rates_in_force
from skyrack.orchestrator.metrics.radiation import radiation_families, skipped_families
from skyrack.orchestrator.metrics.run import RunFacts, run_families
from skyrack.orchestrator.metrics.throttles import throttle_families
from skyrack.orchestrator.metrics.transfers import transfer_families
from skyrack.orchestrator.metrics.weather import weather_families
from skyrack.orchestrator.metrics.workload import Workloads
from skyrack.orchestrator.routing.link_model import LinkModel
from skyrack.orchestrator.runtime.handovers import HandoverWatch
from skyrack.orchestrator.runtime.parts import Parts
from skyrack.orchestrator.runtime.status import RunStatus
from skyrack.orchestrator.topology.epoch import count_kinds
from skyrack.orchestrator.topology.failures import Failures
from skyrack.orchestrator.topology.lit import Links, count_parts, lit_links
from skyrack.v1.families import exposition


class Exposer:
    """Reads what the parts of a run know. `handovers` has to be run."""

    def __init__(self, parts: Parts, status: RunStatus) -> None:
        basis, mesh, happenings, traffic = parts.basis, parts.mesh, parts.happenings, parts.traffic
        self._run = basis.run
        self._geometry = basis.geometry
        self._model = LinkModel.of(basis.scenario)
        self._timeline = basis.timeline
        self._mesh_dir = basis.places.mesh_dir
        self._roster = basis.roster
        self._book = basis.book
        self._events = basis.events
        self._feed = mesh.feed
        self._faults = happenings.faults
        self._throttles = happenings.throttles
        self._occurrences = happenings.occurrences
        self._radiation = happenings.radiation
        self._transfers = traffic.transfers
        self._bundles = traffic.bundles
        self._background = traffic.background
        self._probes = traffic.probes.tally
        self._status = status
        self._workloads = Workloads(self._probes.error)
        stations = [i for i in basis.roster.inhabited if basis.roster.kind(i) in ("ground", "user")]
        self.handovers = HandoverWatch(
            names=basis.roster.names,
            stations=stations,
            epoch_at=mesh.feed.oracle.epoch_at,
            events=basis.events,
            clock=basis.clock,
        )
        mesh.feed.on_change = self.handovers.expect

    def targets(self, host: str) -> list[dict[str, Any]]:
        """Targets for http_sd, all at `host`: the orchestrator with the fabric, and every node in service."""
        run = self._run
        found = [_target(host, "/metrics/run", job="skyrack", instance="orchestrator", run=run)]
        for node in self._book.by_name.values():
            if node.phase:
                continue
            path, what = f"/nodes/{node.name}/metrics", {"node": node.name, "kind": node.kind}
            found.append(_target(host, path, job="skyrack-node", instance=node.name, run=run, **what))
        return found

    def hear_workload(self, news: dict[str, Any]) -> None:
        """A load generator tells what it has done. Raises ValueError."""
        self._workloads.add(news)

    async def run_exposition(self) -> str:
        """Metrics of orchestrator, fabric and load. Delays are those at the `skyrack_run_seconds` of the same page."""
        status = self._status.shown()
        run_s: float = status["run_s"]
        epoch = self._feed.oracle.epoch_at(run_s)
        absent = frozenset(node.index for node in self._book.by_name.values() if not node.attached)
        out = self._feed.failures
        links = lit_links(epoch, Failures(out.nodes | absent, out.links))
        view = self._faults.view
        faults = fault_families(view.active(), view.failures, view.extra_s(), links, self._roster.names)
        found = [*run_families(status, self._facts(links)), *faults, *self._workloads.families()]
        found += throttle_families(self._throttles.in_force, self._throttles.failures)
        found += self._probes.families()
        found += self._feed.news.convergence.families()
        found += transfer_families(self._transfers.totals)
        found += skipped_families(self._occurrences.skipped)
        if (radiation := self._radiation) is not None:
            found += radiation_families(radiation.outcomes, radiation.doses_gy())
        sky = await asyncio.to_thread(self._geometry.station_sky, self._timeline.t_s(run_s))
        found += weather_families(self._geometry.weather.stations, sky)
        storms = self._faults.storms.now
        truth = await asyncio.to_thread(truth_at, self._geometry, self._timeline.t_s(run_s), storms)
        found += environment_families(truth)
        if (bundles := self._bundles) is not None:
            names = self._roster.names
            found += custody_families(bundles.stores, bundles.totals, self._roster.inhabited, names)
        fabric = self._feed.fabric
        if fabric is not None:
            with contextlib.suppress(TimeoutError, ConnectionError):
                counters = await fabric.counters(links=True)
                found += fabric_families(counters)
                if flows := self._background.flows:
                    totals = self._background.totals(counters)
                    found += background_families(len(flows), self._background.rate_bps, totals)
                if epoch is not None and (delay_s := fabric.delay_s(run_s)) is not None:
                    rate_bps = rates_in_force(epoch, view.conditions, self._model)
                    found += link_families(self._samples(links, delay_s, rate_bps, counters["links"]))
        return await asyncio.to_thread(exposition, found)  # thousands of lines

    async def node_exposition(self, name: str) -> str | None:
        """A node's metrics, None when it does not answer. Raises KeyError."""
        self._roster.require(name)
        if name not in self._book.by_name:
            raise KeyError(f"{name} is a bare satellite: it has no process")
        return await scrape(self._socket(name))

    async def expositions(self) -> list[str]:
        """Metrics of the run and of all nodes that answer, to be merged."""
        sockets = [self._socket(name) for name in self._book.by_name]
        return [await self.run_exposition(), *await scrape_all(sockets)]

    def _socket(self, node: str) -> Path:
        return self._mesh_dir / "nodes" / f"{node}.metrics.sock"

    def _facts(self, links: Links) -> RunFacts:
        roster = self._roster
        lit = [node.index for node in self._book.by_name.values() if node.attached]
        return RunFacts(
            partitions=count_parts(links, len(roster.names), lit),
            links_lit=count_kinds(links.kind),
            handovers=self.handovers.counts,
            events=self._events.counts,
        )

    def _samples(
        self,
        links: Links,
        delay_s: NDArray[np.float64],
        rate_bps: RateOf,
        counters: Mapping[str, list[float]],
    ) -> list[LinkSample]:
        roster = self._roster
        inhabited = frozenset(roster.inhabited)
        return link_samples(
            links, roster.names, inhabited, self._feed.pair_number, delay_s, rate_bps, counters
        )


def _target(host: str, path: str, **labels: str) -> dict[str, Any]:
    return {"targets": [host], "labels": {"__metrics_path__": path, **labels}}
