"""One run: the orchestrator process's centre, which joins the sky, the fabric, the nodes and the API."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np

from skyrack.orchestrator.api import control, fault_service, server
from skyrack.orchestrator.api.health import RunHealth
from skyrack.orchestrator.api.listen import Listen
from skyrack.orchestrator.clock import RealClock
from skyrack.orchestrator.environment.eclipses import next_eclipse_s
from skyrack.orchestrator.environment.passes import Passes
from skyrack.orchestrator.environment.radiation import RadiationSource
from skyrack.orchestrator.faults.occurrence import Source
from skyrack.orchestrator.faults.problem import FaultProblem, Unknown
from skyrack.orchestrator.orbit.constellation import epoch_age_note
from skyrack.orchestrator.routing.bundle_record import bundle_record
from skyrack.orchestrator.routing.bundle_route import NoBundleRouteError
from skyrack.orchestrator.routing.idle import NoWayError, Way, way
from skyrack.orchestrator.routing.link_model import LinkModel
from skyrack.orchestrator.runtime.answers import Answers
from skyrack.orchestrator.runtime.background import Background
from skyrack.orchestrator.runtime.briefing import brief_nodes
from skyrack.orchestrator.runtime.brokers import Brokers, NoBroker
from skyrack.orchestrator.runtime.bundle_planner import BundlePlanner
from skyrack.orchestrator.runtime.bundles import Bundles
from skyrack.orchestrator.runtime.bus import RunBus
from skyrack.orchestrator.runtime.clock_control import ClockControl
from skyrack.orchestrator.runtime.clock_journal import ClockJournal
from skyrack.orchestrator.runtime.entries import MakeEntries
from skyrack.orchestrator.runtime.errors import RunFailed, sentence
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.exposer import Exposer
from skyrack.orchestrator.runtime.fault_drafts import Drafts
from skyrack.orchestrator.runtime.fault_journal import FaultJournal
from skyrack.orchestrator.runtime.fault_record import FaultRecord
from skyrack.orchestrator.runtime.faults import Faults
from skyrack.orchestrator.runtime.feed import Feed
from skyrack.orchestrator.runtime.files import write_whole
from skyrack.orchestrator.runtime.flights import Flights
from skyrack.orchestrator.runtime.launches import Launches
from skyrack.orchestrator.runtime.nodes import NodeBook, NodeState
from skyrack.orchestrator.runtime.occurrences import Occurrences
from skyrack.orchestrator.runtime.places import Places
from skyrack.orchestrator.runtime.planning import write_plan
from skyrack.orchestrator.runtime.probes import OwnProbes
from skyrack.orchestrator.runtime.processes import Launch, Processes
from skyrack.orchestrator.runtime.progress import Progress
from skyrack.orchestrator.runtime.radiation import RadiationCount
from skyrack.orchestrator.runtime.readiness import every_node_serves
from skyrack.orchestrator.runtime.roster import Roster
from skyrack.orchestrator.runtime.services import kept
from skyrack.orchestrator.runtime.services.awaited import every_service_ready
from skyrack.orchestrator.runtime.services.services import ServiceProblem, Services
from skyrack.orchestrator.runtime.space import Space
from skyrack.orchestrator.runtime.stores import Stores
from skyrack.orchestrator.runtime.throttles import Throttles
from skyrack.orchestrator.runtime.transfers import Transfers
from skyrack.orchestrator.runtime.updates import Outlook
from skyrack.orchestrator.runtime.ways import Ways
from skyrack.orchestrator.scenario import Scenario, entry_nodes
from skyrack.orchestrator.timeline import Piece, Timeline
from skyrack.orchestrator.topology.epoch import count_kinds
from skyrack.orchestrator.topology.failures import Failures
from skyrack.orchestrator.topology.geometry import Geometry
from skyrack.orchestrator.topology.sources import sources_of
from skyrack.v1 import control_pb2


class Run:
    """Everything of one run. `main` returns when the run has been asked to stop and has stopped.

    `t0_monotonic_ns`: when the run began, if it did before this process.
    """

    def __init__(
        self,
        run: str,
        scenario: Scenario,
        places: Places,
        progress: Progress,
        processes: Callable[[Launch], Processes],
        brokers: Brokers,
        entries: MakeEntries,
        t0_monotonic_ns: int | None = None,
    ) -> None:
        self.run = run
        self.scenario = scenario
        self.places = places
        self.progress = progress
        self.ready = asyncio.Event()
        self.stop = asyncio.Event()
        self.clock = RealClock(t0_monotonic_ns)
        self.events = EventLog(places.run_dir / "events.jsonl", self.clock)
        self.events.listen(lambda record: progress.send(event=record))
        self.http = ""
        self._began_before = t0_monotonic_ns is not None
        self._processes = processes
        self._brokers = brokers if scenario.telemetry.enabled else NoBroker
        self._entries = entries
        self._worker = ThreadPoolExecutor(1, "geometry")
        self._clock_journal = ClockJournal(places.run_dir / "clock.jsonl")
        changes = self._clock_journal.read() if self._began_before else []
        self._set_speed = changes[-1][1] if changes else scenario.speed
        pieces = {
            piece.run_s: piece for piece in (Piece(0.0, 0.0, scenario.speed), *(one for one, _ in changes))
        }
        self.timeline = Timeline(scenario.speed, list(pieces.values()))

    async def main(self, listen: Listen | None) -> None:
        """Start, serve, stop. Raises RunFailed."""
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self._close)
            await self._prepare()
            stack.push_async_callback(self.broker.stop)
            stack.push_async_callback(self.entries.stop)
            stack.push_async_callback(self._end_processes)
            self.http = await stack.enter_async_context(
                server.serve(self, self.places.socket_dir / "api.sock", listen)
            )
            # Second, so that who finds it healthy can use the API.
            grpc_server = await control.serve(
                self._control, self._health, self.places.mesh_dir / "control.sock"
            )
            stack.push_async_callback(grpc_server.stop, 0)
            faults = fault_service.FaultService(self.faults, self.events)
            await stack.enter_async_context(
                fault_service.serve(faults, self.places.socket_dir / fault_service.SOCKET)
            )
            await self._serve()

    async def _prepare(self) -> None:
        """Everything that needs no other process."""
        loop = asyncio.get_running_loop()
        with self.progress.step("geometry") as step:
            self.geometry = await loop.run_in_executor(self._worker, Geometry, self.scenario)
            self._passes = Passes(self.geometry)
            first = await loop.run_in_executor(self._worker, self.geometry.epoch, 0.0)
            links = count_kinds(first.kind)
            step.text = f"{_count(self.geometry.n_sat, 'satellite')}, {_count(links['laser'], 'laser')}, "
            step.text += _count(links["ground"], "ground link")
            step.text += f", {_count(links['fibre'], 'fibre')}" if links["fibre"] else ""
        for note in (*self.geometry.notes, epoch_age_note(self.geometry.constellation, self.clock.utc())):
            if note is not None:
                self.progress.send(note=note)
        if not self._began_before:
            self.clock.t0_monotonic_ns = RealClock().t0_monotonic_ns  # nothing of the mesh exists before
        self.roster = Roster(self.scenario, self.geometry, first)
        write_whole(self.places.mesh_dir / "hosts", self.roster.hosts())
        book = NodeBook(self.roster.node_states(), self.events, self.clock)
        self.broker = self._brokers(self.places, self.events, self.clock)
        on_ground = self.roster.names[self.geometry.n_sat :]
        self.entries = self._entries(
            entry_nodes(self.scenario.entries, on_ground), self.places, self.events, self.clock
        )
        seed = self.scenario.seed
        self.bus = RunBus(
            self.run,
            self.broker.address("orchestrator"),
            self.geometry,
            self.clock,
            seed,
            lambda: self.faults.storms.now,
        )
        self.events.listen(self.bus.event)
        launch = Launch(
            self.run,
            self.scenario,
            self.places,
            book,
            self.events,
            self.clock,
            self.broker.address("node"),
            self.broker,
        )
        processes = self._processes(launch)
        self.fabrics, self.nodes, self._awaited = processes.fabrics, processes.nodes, processes.awaited
        file = self.places.run_dir / "services.json"
        self.services = Services(
            self.run,
            self.scenario.services,
            book,
            processes.preparing,
            self.events,
            self.clock,
            file,
            kept.read(file) if self._began_before else None,
            watchdog_s=self.scenario.watchdog_s,
        )
        self.feed = Feed(
            self.scenario,
            self.geometry,
            self.timeline,
            self.roster,
            processes,
            self.events,
            self.clock,
            self._worker,
        )
        self.clock_control = ClockControl(
            self.timeline,
            self._set_speed,
            self.geometry.start,
            self.clock,
            self.events,
            self._clock_journal,
            self._compute_ahead,
            self.feed.turn,
            self._next_eclipse_s,
        )
        hands = processes.hands(self.services)
        self._drafts = Drafts(self.geometry, self.services.places)
        journal = FaultJournal(self.places.run_dir / "faults.jsonl")
        self.faults = Faults(
            self.geometry,
            self._drafts,
            FaultRecord(journal, self.events, self.roster.names),
            self.feed,
            hands,
            self.timeline,
            self.clock,
        )
        self.launches = Launches(
            self.geometry,
            self.timeline,
            book,
            self.nodes.keep_off,
            self.feed,
            self.faults,
            self.events,
            self.clock,
            self._worker,
            self.places.run_dir / "launches.json",
        )
        self.launches.begin(again=self._began_before)
        self.services.listen(self._lead_around)
        self._lead_around()
        self.throttles = Throttles(hands, book, self.events, resumed=self._began_before)
        self._enter_faults()
        sources = self._sources()
        self.occurrences = Occurrences(
            sources,
            self.timeline,
            self.faults,
            self.events,
            self.clock,
            before=self.faults.befallen.before if self._began_before else None,
        )
        self.faults.storms.on_change = self.occurrences.draw_anew
        self.faults.on_gone = self.launches.on_ordered = self.occurrences.draw_anew
        self.radiation = self._radiation(sources)
        self._space = Space(self.geometry, self._passes, self.faults.storms, self._worker)
        self._ways = Ways(self.geometry, self.timeline, self.feed, self.faults.view, self.clock, self._worker)
        self.transfers = Transfers(
            self.roster,
            book,
            self.events,
            self.clock,
            lambda: self.feed.fabric,
            self._way_at,
            self.scenario.links.byte_scale,
            classes=self.scenario.links.classes is not None,
        )
        self.feed.on_transfer = self.transfers.heard
        self.feed.on_fabric_down = self._fabric_down
        self.bundles = self.transfers.bundles = self._store_and_forward(book)
        self.background = Background(self.scenario, self.roster, self.clock, lambda: self.feed.fabric)
        self.feed.on_fabric_up = self.background.start
        self.probes = OwnProbes(
            self.scenario.telemetry.fidelity_probes_per_s,
            seed,
            book,
            self.places.mesh_dir,
            self.feed.oracle,
            self.events,
            self.clock,
        )
        self.answers = Answers(
            self.run,
            self.scenario,
            self.places,
            self.geometry,
            self.timeline,
            self.roster,
            book,
            self.feed,
            self.events,
            self.clock,
            self.broker,
            self.entries,
            self.bus,
            self.background,
            self.probes,
            self.services,
            self.faults.view,
            self.launches,
        )
        self.exposer = Exposer(
            self.run,
            self.scenario,
            self.geometry,
            self.timeline,
            self.places.mesh_dir,
            self.roster,
            book,
            self.feed,
            self.faults,
            self.throttles,
            self.events,
            self.clock,
            self.status,
            self.transfers,
            self.bundles,
            self.background,
            self.probes.tally,
            self.occurrences,
            self.radiation,
        )
        self._outlook = Outlook(
            self.geometry,
            self._passes,
            self.timeline,
            self.roster.address,
            self.clock.t0_monotonic_ns,
            self.faults.storms,
        )
        self._health = RunHealth(book)
        self.flights = Flights(self.throttles, self.events)
        self._control = control.ControlService(
            self.run, self.nodes, self._update_for, self._lost_of, self.transfers, self.services, self.flights
        )
        self.feed.outages.on_change = self._tell_lost

    def _lead_around(self) -> None:
        """Routes lead to drained nodes, and not through them where there is another way."""
        book = self.nodes.book.by_name
        self.feed.drained(frozenset(book[name].index for name in self.services.drained))

    def _fabric_down(self) -> None:
        self.transfers.fabric_down()
        self.faults.fabric_down()

    def _sources(self) -> list[Source]:
        """What befalls nodes by orbit time. Raises RunFailed."""
        try:
            return sources_of(
                self.geometry, self._passes, lambda: self.faults.storms.spells, lambda: self.faults.gone.spans
            )
        except (FaultProblem, Unknown) as problem:
            raise RunFailed(str(problem)) from problem

    def _radiation(self, sources: Sequence[Source]) -> RadiationCount | None:
        """Where the scenario has some."""
        for source in sources:
            if isinstance(source, RadiationSource):
                return RadiationCount(
                    source,
                    self.faults.storms,
                    self.faults.befallen.came,
                    self.timeline,
                    self.clock,
                    self.scenario.seed,
                )
        return None

    def _enter_faults(self) -> None:
        try:
            if self._began_before:
                self.faults.go_on()
            else:
                self.faults.enter_plan()
        except FaultProblem as problem:
            raise RunFailed(str(problem)) from problem

    def _update_for(self, node: NodeState) -> control_pb2.NodeUpdate | None:
        """What a node is told. What it is told of its future is said on the bus as well."""
        update = self._outlook.update_for(node)
        if update is not None:
            t_s = self.timeline.t_s(self.clock.run_s())
            self.bus.forecast(node.name, update, t_s)
        return update

    def _lost_of(self, node: NodeState) -> list[str]:
        """Neighbours of a node whose link it has noticed to be dark."""
        lost = self.feed.outages.lost_of(node.index, self._outlook.neighbours_of(node.index))
        return [self.roster.names[peer] for peer in lost]

    def _tell_lost(self, change: Failures) -> None:
        """Those beside what has been noticed, or is back, are told at once: the epoch may last for long."""
        self._control.lost(self.roster.names[node] for node in self._outlook.beside(change))

    def _way_at(self, run_s: float, a: int, b: int) -> Way:
        """The way in force at a run time. Raises NoWayError."""
        epoch = self.feed.oracle.epoch_at(run_s)
        if epoch is None:
            raise NoWayError("no route is in force yet")
        delay_s = self.geometry.delay_s(epoch.a, epoch.b, self.timeline.t_s(run_s))
        return way(epoch, delay_s, LinkModel.of(self.scenario), tuple(self.geometry.names), a, b)

    def _store_and_forward(self, book: NodeBook) -> Bundles | None:
        """Where the strategy does so."""
        if self.scenario.routing.strategy != "contact-graph":
            return None
        return Bundles(
            self.transfers,
            BundlePlanner(self.scenario, self.timeline),
            Stores(self.scenario.routing.storage_bytes),
            self.roster.names,
            book,
            self.events,
            self.clock,
            self._joined,
            lambda: self.feed.told,
            lambda: self.timeline.pieces,
        )

    def _joined(self, a: int, b: int) -> bool:
        """Whether a way leads from `a` to `b` now that nothing is known to have cut."""
        try:
            path = self._way_at(self.clock.run_s(), a, b).path
        except NoWayError:
            return False
        told = self.feed.told
        ends = np.array([sorted(hop) for hop in pairwise(path)], dtype=np.int32)
        return bool(told.spare(ends[:, 0], ends[:, 1]).all())

    async def _serve(self) -> None:
        """Run every long-lived task until `stop`, or until one of them fails."""
        outlook = self._outlook
        try:
            async with asyncio.TaskGroup() as tasks:
                jobs = [
                    tasks.create_task(self.feed.run(self.progress), name="feed"),
                    tasks.create_task(self.nodes.run(), name="nodes"),
                    tasks.create_task(self.faults.run(), name="faults"),
                    tasks.create_task(self.launches.run(), name="launches"),
                    tasks.create_task(self.occurrences.run(), name="occurrences"),
                    tasks.create_task(self.broker.run(self.progress), name="broker"),
                    tasks.create_task(self._speak(), name="bus"),
                    tasks.create_task(self._become_ready(), name="ready"),
                    tasks.create_task(self._probe(), name="probes"),
                    tasks.create_task(self._let_in(), name="entries"),
                    tasks.create_task(self.exposer.handovers.run(), name="handovers"),
                    tasks.create_task(self._health.run(), name="health"),
                    tasks.create_task(
                        brief_nodes(
                            outlook,
                            self._control,
                            self.bus,
                            self.clock,
                            self._worker,
                            self.timeline,
                            self.faults.storms,
                        ),
                        name="updates",
                    ),
                ]
                if self.radiation is not None:
                    jobs.append(tasks.create_task(self.radiation.run(), name="radiation"))
                await self.stop.wait()
                self.events.add("stopping")
                await self.throttles.close()
                await self.faults.let_go()
                await self.nodes.stop()
                if not self._awaited:  # nodes of others go on, and so does what is retained about them
                    await self.bus.close(list(self.nodes.book.by_name))
                for job in jobs:
                    job.cancel()
        except* Exception as group:
            self.events.add("failed", error=sentence(group))
            raise RunFailed(sentence(group)) from group

    async def _speak(self) -> None:
        await self.broker.up.wait()
        await self.bus.run()

    async def _probe(self) -> None:
        await self.ready.wait()
        await self.probes.run()

    async def _let_in(self) -> None:
        await self.ready.wait()  # who is early waits in the queue of the port
        await self.entries.run()

    async def _become_ready(self) -> None:
        await self.feed.up.wait()
        book = self.nodes.book
        await every_node_serves(book, self.clock, self.progress, for_ever=self._awaited)
        await every_service_ready(self.services, self.clock, self.progress, for_ever=self._awaited)
        await self.broker.up.wait()
        self.ready.set()
        self.events.add("ready", nodes=sum(not node.phase for node in book.by_name.values()))
        self.progress.send(ready=await self.status())
        self.progress.never_wait()
        await write_plan(self.places.run_dir, self.events)

    async def _end_processes(self) -> None:
        await self.nodes.stop()
        self.services.end()
        await self.fabrics.end()

    def _close(self) -> None:
        self._worker.shutdown(wait=False, cancel_futures=True)
        self.events.add("stopped")
        self.events.close()

    async def _compute_ahead(self, t_s: float) -> None:
        """Have at hand what is in force at an orbit time. Raises ValueError where no orbit is."""
        await asyncio.get_running_loop().run_in_executor(self._worker, self.geometry.epoch, t_s)

    async def _next_eclipse_s(self, name: str, t_s: float) -> float:
        """When a satellite next comes into the shadow. Raises KeyError, ValueError."""
        node = self.require_node(name)
        if node >= self.geometry.n_sat:
            raise ValueError(f"{name} stands on the ground: it has nights, not eclipses")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._worker, next_eclipse_s, self.geometry, node, t_s)

    # What the API asks for (`server.Run`)

    def require_node(self, name: object) -> int:
        """The node's index. Raises KeyError with a text for the user."""
        return self.roster.require(name)

    async def kill(self, name: str, number: int) -> None:
        """Send a signal to a node's process; SIGKILL is a fault. Raises KeyError, RuntimeError."""
        self.require_node(name)
        node = self.nodes.book.by_name.get(name)
        if node is None:
            raise KeyError(f"{name} is a bare satellite: it has no process")
        if not node.alive:
            raise RuntimeError(f"{name} has no process at the moment")
        if number == signal.SIGKILL:
            await self.faults.add({"faults": [{"kind": "kill", "nodes": [name]}]})
            return
        self.nodes.signal(name, number)
        self.events.add("node_signalled", node=name, signal=number)

    async def status(self) -> dict[str, Any]:
        """The run as `skyrack status` shows it."""
        status = self.answers.status("up" if self.ready.is_set() else "starting", self.http)
        radiation = None if self.radiation is None else self.radiation.status()
        return status | {"clock": self.clock_control.now(), "radiation": radiation}

    async def fabric_counters(self) -> dict[str, Any]:
        """Cumulative counters of the fabric process. Raises RuntimeError while there is none."""
        return await self.answers.fabric_counters()

    async def computed(self, probes: list[list[Any]]) -> list[dict[str, Any]]:
        """Computed round trips for [run_s, a, b, ip_bytes] probes, in their order."""
        return await self.answers.computed(probes)

    async def path(self, a: str, b: str) -> dict[str, Any]:
        """The path in force beside the ideal one."""
        return await self._ways.path(a, b)

    def drain(self, words: Sequence[str]) -> dict[str, Any]:
        """Drain nodes; those that are, and what becomes of their services. Raises FaultProblem, Unknown, ServiceProblem."""
        nodes = self._drafts.whole_nodes(words)
        return self._drained(nodes, self.services.drain(nodes))

    def undrain(self, words: Sequence[str]) -> dict[str, Any]:
        """Undrain nodes; those whose services start, and those that somebody else keeps drained. Raises as `drain`."""
        nodes = self._drafts.whole_nodes(words)
        changed = self.services.undrain(nodes)
        kept = {node: list(by) for node in nodes if (by := self.services.drained.get(node))}
        return self._drained(nodes, changed) | {"kept": kept}

    def version_of(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The version that a service becomes by `body`, and which of its nodes are meant. Raises ServiceProblem, Unknown."""
        version = self.services.version_of(name, body)
        there = [row["node"] for row in self.services.listed() if row["service"] == name]
        words = body.get("nodes") or []
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise ServiceProblem("nodes: expected a list of names")
        chosen = self._drafts.whole_nodes(words) if words else there
        if not (meant := [node for node in there if node in chosen]):
            raise ServiceProblem(
                f"{name} runs on none of {', '.join(chosen[:6])}: it runs on {', '.join(there)}"
            )
        return {"version": version, "nodes": meant}

    def _drained(self, nodes: Sequence[str], changed: Sequence[str]) -> dict[str, Any]:
        rows = [row for row in self.services.listed() if row["node"] in nodes]
        return {"nodes": list(nodes), "changed": list(changed), "services": rows}

    def contacts(self, name: str) -> dict[str, Any]:
        """The links of a node with a process over the orbit time that is known ahead, and what time it is. Raises KeyError."""
        self.require_node(name)
        if (node := self.nodes.book.by_name.get(name)) is None:
            raise KeyError(f"{name} is a bare satellite: it has no process")
        run_s = self.clock.run_s()
        return {
            "t_s": self.timeline.t_s(run_s),
            "speed": self.timeline.speed_at(run_s),
            "known_until_t_s": self._outlook.known_until_s,
            "contacts": self._outlook.contacts_of(node.index),
        }

    async def environment(self, names: Sequence[str]) -> dict[str, Any]:
        """What surrounds satellites now, and what comes next. Raises ValueError."""
        return await self._space.around(names, self.timeline.t_s(self.clock.run_s()))

    async def background_figures(self) -> dict[str, Any]:
        """The background traffic, flow by flow. Raises RuntimeError while there is no fabric."""
        return await self.background.figures()

    async def link(self, a: str, b: str) -> dict[str, Any]:
        """A link's state now, and why it is down."""
        return await self._ways.link(a, b)

    async def bundle(self, a: str, b: str, size_bytes: int) -> dict[str, Any]:
        """How a bundle would go that is sent now, or why it would not. Raises ValueError."""
        if self.bundles is None:
            raise ValueError(f"{self.scenario.routing.strategy} stores nothing: strategy contact-graph does")
        for name in (a, b):
            if name not in self.nodes.book.by_name:
                raise ValueError(f"{name} is a bare satellite: it has no process")
        try:
            legs = await self.bundles.way(self.require_node(a), self.require_node(b), size_bytes)
        except NoBundleRouteError as error:
            return {"size_bytes": size_bytes, "why": str(error)}
        return bundle_record(self.roster.names, legs, size_bytes, self.timeline)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
