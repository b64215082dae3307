"""What the API asks of a run (`server.Run`): each question goes to the part that knows, each order to the part that does it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping, Sequence
from typing import Any

from skyrack.orchestrator.routing.bundle_record import bundle_record
from skyrack.orchestrator.routing.bundle_route import NoBundleRouteError
from skyrack.orchestrator.runtime.clock_control import ClockControl
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.exposer import Exposer
from skyrack.orchestrator.runtime.faults import Faults
from skyrack.orchestrator.runtime.launches import Launches
from skyrack.orchestrator.runtime.life import Life
from skyrack.orchestrator.runtime.nodes import NodeState
from skyrack.orchestrator.runtime.parts import Parts
from skyrack.orchestrator.runtime.services.services import ServiceProblem, Services
from skyrack.orchestrator.runtime.status import RunStatus
from skyrack.orchestrator.runtime.ways import Ways


class Answers:
    """`ready`, `stop`: those of the run."""

    def __init__(self, parts: Parts, life: Life, status: RunStatus, exposer: Exposer) -> None:
        self._parts = parts
        self._basis = parts.basis
        self._feed = parts.mesh.feed
        self._drafts = parts.happenings.drafts
        self._status = status
        self._ways = Ways(
            geometry=parts.basis.geometry,
            timeline=parts.basis.timeline,
            feed=parts.mesh.feed,
            faults=parts.happenings.faults.view,
            clock=parts.basis.clock,
            worker=parts.basis.worker,
        )
        self.ready: asyncio.Event = life.ready
        self.stop: asyncio.Event = life.stop
        self.events: EventLog = parts.basis.events
        self.faults: Faults = parts.happenings.faults
        self.launches: Launches = parts.happenings.launches
        self.clock_control: ClockControl = parts.clock_control
        self.services: Services = parts.mesh.services
        self.exposer = exposer

    def require_node(self, name: object) -> int:
        """The node's index. Raises KeyError with a text for the user."""
        return self._basis.roster.require(name)

    def _require_process(self, name: str) -> NodeState:
        """A node that has one, or had. Raises KeyError with a text for the user."""
        self.require_node(name)
        node = self._basis.book.by_name.get(name)
        if node is None:
            raise KeyError(f"{name} is a bare satellite: it has no process")
        return node

    async def status(self) -> dict[str, Any]:
        """The run as `skyrack status` shows it."""
        return self._status.shown()

    async def kill(self, name: str, number: int) -> None:
        """Send a signal to a node's process; SIGKILL is a fault. Raises KeyError, RuntimeError."""
        if not self._require_process(name).alive:
            raise RuntimeError(f"{name} has no process at the moment")
        if number == signal.SIGKILL:
            await self.faults.add({"faults": [{"kind": "kill", "nodes": [name]}]})
            return
        await self._parts.mesh.processes.nodes.signal(name, number)
        self.events.add("node_signalled", node=name, signal=number)

    # What the fabric carries, and where

    async def fabric_counters(self) -> dict[str, Any]:
        """Cumulative counters of the fabric process. Raises RuntimeError while there is none."""
        if self._feed.fabric is None:
            raise RuntimeError("the fabric is not up")
        counters = await self._feed.fabric.counters()
        counters.pop("nodes")
        counters.pop("flows")
        return counters

    async def background_figures(self) -> dict[str, Any]:
        """The background traffic, flow by flow. Raises RuntimeError while there is no fabric."""
        return await self._parts.traffic.background.figures()

    async def computed(self, probes: list[list[Any]]) -> list[dict[str, Any]]:
        """Computed round trips for [run_s, a, b, ip_bytes] probes, in their order. Raises KeyError."""
        require = self.require_node
        return await self._feed.oracle.computed(
            [(float(run_s), require(a), require(b), int(size)) for run_s, a, b, size in probes]
        )

    async def path(self, a: str, b: str) -> dict[str, Any]:
        """The path in force beside the ideal one."""
        return await self._ways.path(a, b)

    async def link(self, a: str, b: str) -> dict[str, Any]:
        """A link's state now, and why it is down."""
        return await self._ways.link(a, b)

    async def bundle(self, a: str, b: str, size_bytes: int) -> dict[str, Any]:
        """How a bundle would go that is sent now, or why it would not. Raises ValueError."""
        bundles, basis = self._parts.traffic.bundles, self._basis
        if bundles is None:
            strategy = basis.scenario.routing.strategy
            raise ValueError(f"{strategy} stores nothing: strategy contact-graph does")
        for name in (a, b):
            if name not in basis.book.by_name:
                raise ValueError(f"{name} is a bare satellite: it has no process")
        try:
            legs = await bundles.way(self.require_node(a), self.require_node(b), size_bytes)
        except NoBundleRouteError as error:
            return {"size_bytes": size_bytes, "why": str(error)}
        return bundle_record(basis.roster.names, legs, size_bytes, basis.timeline)

    # What is around nodes and ahead of them

    def contacts(self, name: str) -> dict[str, Any]:
        """The links of a node with a process over the orbit time that is known ahead, and what time it is. Raises KeyError."""
        node, outlook = self._require_process(name), self._parts.joining.outlook
        run_s = self._basis.clock.run_s()
        return {
            "t_s": self._basis.timeline.t_s(run_s),
            "speed": self._basis.timeline.speed_at(run_s),
            "known_until_t_s": outlook.known_until_s,
            "contacts": outlook.contacts_of(node.index),
        }

    async def environment(self, names: Sequence[str]) -> dict[str, Any]:
        """What surrounds satellites now, and what comes next. Raises ValueError."""
        return await self._parts.space.around(names)

    # Services, where the words of the user mean nodes

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

    def _drained(self, nodes: Sequence[str], changed: Sequence[str]) -> dict[str, Any]:
        rows = [row for row in self.services.listed() if row["node"] in nodes]
        return {"nodes": list(nodes), "changed": list(changed), "services": rows}

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
