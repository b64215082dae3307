"""All services of a run: what is wanted at each node, what the nodes report, and what changes while they run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from skyrack.orchestrator.clock import Clock
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.nodes import NodeBook, NodeState
from skyrack.orchestrator.runtime.services.complaint import complaint
from skyrack.orchestrator.runtime.services.editions import Editions, changed
from skyrack.orchestrator.runtime.services.editions import ServiceProblem as ServiceProblem
from skyrack.orchestrator.runtime.services.entry import AWAITED, DRAINED, PHASES, Entry
from skyrack.orchestrator.runtime.services.groups import Group
from skyrack.orchestrator.runtime.services.kept import Kept, write
from skyrack.orchestrator.runtime.services.specs import Room, spec
from skyrack.orchestrator.scenario import Service
from skyrack.orchestrator.scenario.placement import Host, members, placed, sidecar_name
from skyrack.orchestrator.scenario.templates import Member, mistakes
from skyrack.v1 import service_pb2

# Phases that are worth an event of their own.
_EVENTS = {
    "ready": "service_ready",
    "unready": "service_unready",
    "waiting": "service_ended",
    "finished": "service_finished",
    "failed": "service_failed",
    DRAINED: "service_drained",
    "stopped": "service_stopped",
}
BY_OPERATOR = "operator"


class CannotPrepare(RuntimeError):
    """Something that a service was to have cannot be had here; the text says why, for the user."""


class Preparing(Protocol):
    """Makes room for services where the run's processes are its own."""

    def prepare(self, node: str, service: Service) -> tuple[Room, Group]:
        """Directory, log and limits; what could not be had is in the group's notes. Raises OSError, CannotPrepare."""

    def forget(self, node: str, service: str, group: Group, *, data: bool) -> None:
        """The service has ended for good; its directory goes too where `data`."""

    def end(self) -> None:
        """The run ends, and all nodes have."""


class Services:
    """Owns what nodes are told to run."""

    def __init__(
        self,
        run: str,
        services: Sequence[Service],
        book: NodeBook,
        preparing: Preparing,
        events: EventLog,
        clock: Clock,
        file: Path,
        kept: Kept | None = None,
        watchdog_s: float | None = None,
    ) -> None:
        """`file` is where it keeps what an orchestrator that goes on with the run needs; `kept` is what was there.

        `watchdog_s`: of services that say none.
        """
        self._run = run
        self._book = book
        self._preparing = preparing
        self._events = events
        self._clock = clock
        self._watchdog_s = watchdog_s
        self._services: dict[str, Service] = {}
        self._members: dict[str, tuple[Member, ...]] = {}
        self._entries: dict[tuple[str, str], Entry] = {}  # by node and service
        self._file = file
        generations = kept.generations if kept else {}
        self._generation = max(generations.values(), default=0)
        self._versions: dict[str, int] = dict.fromkeys(book.by_name, 0)
        # Removed, but not ended at the node yet.
        self._leaving: dict[tuple[str, str], tuple[Group, bool]] = {}
        # Who has drained a node: who has not yet undrained it.
        self._drained = {node: list(by) for node, by in kept.drained.items()} if kept else {}
        self._editions = Editions(kept.editions if kept else {})
        self._listeners: list[Callable[[], None]] = []
        self._containers_kept: Callable[[], bool] = lambda: False
        self.continued = kept is not None
        """Whether there was an orchestrator before this one."""
        book.listen(self._node_changed)
        for service in kept.services if kept else services:
            self._enter(service)
        for name in self._services:
            self._place(name, generations, kept.versions if kept else {})
        self._keep()

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever something about a service has changed."""
        self._listeners.append(listener)

    def kept_beside(self, kept: Callable[[], bool]) -> None:
        """Somebody ends and starts the containers beside nodes as phases say, whenever `kept` answers so."""
        self._containers_kept = kept

    def beside(self) -> list[Entry]:
        """What runs in containers beside nodes."""
        return [entry for entry in self._entries.values() if entry.beside]

    def ended_beside(self, entry: Entry) -> None:
        """Its container has been ended."""
        if entry.member.node in self._drained:
            self._move(entry, DRAINED)
        elif entry.anew:
            self._begin_anew(entry)
            self._keep()
        self._changed()

    def not_ended_beside(self, entry: Entry) -> None:
        """Its container could not be ended: it goes on as it is."""
        entry.anew = False

    # What nodes are told and say

    def version(self, node: str) -> int:
        """Rises whenever the node's list becomes another one."""
        return self._versions[node]

    def list_for(self, node: str) -> service_pb2.ServiceList:
        """Everything that a node is to run, in the order of the services; nothing while it is drained."""
        if node in self._drained:
            return service_pb2.ServiceList()
        wanted = [self._entries[key] for name in self._services if (key := (node, name)) in self._entries]
        return service_pb2.ServiceList(services=[entry.spec for entry in wanted])

    def reported(self, node: str, statuses: Iterable[service_pb2.ServiceStatus]) -> None:
        """A node says how its services are going: all it has."""
        reports = list(statuses)
        for status in reports:
            entry = self._entries.get((node, status.name))
            if entry is None or status.generation != entry.spec.generation:
                continue  # of one that was removed, or started anew meanwhile
            again = status.restarts > entry.status.restarts
            entry.status = status
            self._explain(entry)
            ending = node in self._drained or entry.anew
            phase = "stopping" if ending else PHASES.get(status.phase, AWAITED)
            self._move(entry, phase, again=again)
        self._forget_ended(node, {status.name for status in reports})
        self._changed()

    def _explain(self, entry: Entry) -> None:
        """Say what a kill was for, where the kernel did it for want of memory."""
        if PHASES.get(entry.status.phase) in ("starting", "ready"):
            entry.starved = ""
        kills = entry.group.oom_kills()
        if kills > entry.oom_kills and entry.service.limits.memory_mb is not None:
            entry.starved = f"needed more than its {entry.service.limits.memory_mb:g} MB of memory"
        entry.oom_kills = kills

    def _move(self, entry: Entry, phase: str, *, again: bool = False) -> None:
        if phase == entry.phase and not again:
            return
        entry.phase, entry.since_s = phase, self._clock.run_s()
        event = _EVENTS.get(phase)
        if event is not None:
            status = entry.status
            fields: dict[str, Any] = {"reason": entry.reason} if entry.reason else {}
            if phase == "ready":
                fields["after_s"] = round(status.ready_after_s, 3)
            if status.restarts:
                fields["restarts"] = status.restarts
            self._events.add(event, node=entry.member.node, service=entry.service.name, **fields)

    def _node_changed(self, node: NodeState) -> None:
        """What ran on a node that has ended has ended with it."""
        if node.alive:
            return
        for entry in self._entries.values():
            if entry.member.node == node.name:
                self._move(entry, DRAINED if node.name in self._drained else AWAITED)
        self._forget_ended(node.name, ())
        self._changed()

    # What users ask for

    def listed(self) -> list[dict[str, Any]]:
        """Every service at every node, as JSON."""
        order = {name: at for at, name in enumerate(self._services)}
        nodes = self._book.by_name
        entries = sorted(
            self._entries.values(), key=lambda e: (order[e.service.name], nodes[e.member.node].index)
        )
        return [entry.shown() | {"in_service": self.in_service(entry)} for entry in entries]

    def places(self) -> dict[str, list[int]]:
        """The nodes of each service, by index and in their order."""
        nodes = self._book.by_name
        return {name: [nodes[node].index for node in self._nodes_of(name)] for name in self._services}

    def at(self, node: str) -> dict[str, Entry]:
        """The services of a node by name."""
        return {entry.service.name: entry for entry in self._entries.values() if entry.member.node == node}

    @property
    def count(self) -> int:
        """How many there are, each counted at every node that is in service."""
        return sum(self.in_service(entry) for entry in self._entries.values())

    @property
    def phases(self) -> list[str]:
        """Of those at nodes in service."""
        return [entry.phase for entry in self._entries.values() if self.in_service(entry)]

    def unready(self) -> list[Entry]:
        """Those at nodes in service that have to be waited for, in the order of `listed`."""
        return [entry for entry in self._entries.values() if not entry.done and self.in_service(entry)]

    def in_service(self, entry: Entry) -> bool:
        """Whether its node is there; one that is still to be launched is not."""
        return not self._book.by_name[entry.member.node].phase

    def add(self, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Start a service that the scenario did not have. Raises ServiceProblem."""
        try:
            service = Service.model_validate(body)
        except ValidationError as error:
            texts = [complaint(details["loc"], details["msg"]) for details in error.errors()]
            raise ServiceProblem("; ".join(texts)) from error
        if service.name in self._services:
            raise ServiceProblem(f"there is a service called {service.name!r} already")
        if leaving := [node for node, name in self._leaving if name == service.name]:
            raise ServiceProblem(f"{service.name} has not ended yet at {', '.join(leaving)}")
        if service.image:
            raise ServiceProblem(
                f"{service.name}: a container cannot be added to a run that is up: put it in the scenario's services"
            )
        self._require_usable(service)
        self._enter(service)
        try:
            self._place(service.name, {}, {})
        except (OSError, CannotPrepare) as error:
            self.remove(service.name)
            raise ServiceProblem(f"{service.name}: {getattr(error, 'strerror', None) or error}") from error
        self._keep()
        self._events.add("service_added", service=service.name, nodes=self._nodes_of(service.name))
        self._changed()
        return [row for row in self.listed() if row["service"] == service.name]

    def remove(self, name: str, *, data: bool = False) -> list[str]:
        """Stop a service everywhere; returns its nodes. Raises ServiceProblem."""
        self._require(name)
        nodes = self._nodes_of(name)
        self._refuse_containers(name, nodes, "stop")
        for node in nodes:
            entry = self._entries.pop((node, name))
            self._versions[node] += 1
            self._leaving[node, name] = entry.group, data
            if not self._book.by_name[node].alive or entry.phase == DRAINED:
                self._forget_ended(node, ())
        del self._services[name], self._members[name]
        self._editions.forget(name)
        self._keep()
        self._events.add("service_removed", service=name, nodes=nodes)
        self._changed()
        return nodes

    def restart(self, name: str, nodes: Sequence[str] = ()) -> list[str]:
        """Stop and start a service, everywhere or at some nodes; returns them. Raises ServiceProblem."""
        self._require(name)
        everywhere = self._nodes_of(name)
        for node in nodes:
            if node not in everywhere:
                raise ServiceProblem(f"{name} does not run on {node}: it runs on {', '.join(everywhere)}")
        restarted = list(nodes) or everywhere
        self._refuse_unkept(name, restarted, "restart")
        self._refuse_drained(name, restarted)
        for node in restarted:
            entry = self._entries[node, name]
            if entry.beside and entry.phase != AWAITED:
                entry.anew = True
                self._move(entry, "stopping")
            else:
                self._begin_anew(entry)
        self._keep()
        self._events.add("service_restarted", service=name, nodes=restarted)
        self._changed()
        return restarted

    def version_of(self, name: str, body: Mapping[str, Any]) -> int:
        """The number of the version that a service's software becomes by `body`; see editions.py. Raises ServiceProblem."""
        self._require(name)
        nodes = self._nodes_of(name)
        self._refuse_containers(name, nodes, "up -d")
        newest = max((self._entries[node, name] for node in nodes), key=lambda entry: entry.version)
        service = changed(newest.service, body)
        self._require_fillable(service, list(self._services))
        number = self._editions.enter(newest.service, service)
        self._keep()
        return number

    def change(self, name: str, node: str, version: int) -> dict[str, Any]:
        """Run another version of a service at a node: stop it, and start that. Raises ServiceProblem."""
        self._require(name)
        if node not in (everywhere := self._nodes_of(name)):
            raise ServiceProblem(f"{name} does not run on {node}: it runs on {', '.join(everywhere)}")
        self._refuse_drained(name, [node])
        entry = self._entries[node, name]
        if version != entry.version:
            service = self._editions.number(name, version, self._services[name])
            before, entry.service, entry.version, entry.previous = (
                entry.version,
                service,
                version,
                entry.version,
            )
            entry.spec = self._filled(service, entry.member, entry.room, generation=0)
            self._begin_anew(entry)
            self._keep()
            self._events.add("service_changed", service=name, node=node, version=version, before=before)
            self._changed()
        return entry.shown()

    def drain(self, nodes: Sequence[str], by: str = BY_OPERATOR) -> list[str]:
        """End all services at nodes, gracefully, and start none there until `undrain`; those that were not drained before.

        `by`: who wants it; a node is drained until all who did have undrained it. Raises ServiceProblem.
        """
        for node in nodes:
            for name in self.at(node):
                self._refuse_unkept(name, [node], "stop")
        fresh = [node for node in nodes if node not in self._drained]
        for node in nodes:
            reasons = self._drained.setdefault(node, [])
            if by not in reasons:
                reasons.append(by)
        for node in fresh:
            for entry in self.at(node).values():
                self._move(entry, DRAINED if entry.phase in (AWAITED, "failed", "finished") else "stopping")
            self._versions[node] += 1
            self._events.add("node_drained", node=node, services=list(self.at(node)), by=by)
        self._keep()
        self._changed()
        return fresh

    def undrain(self, nodes: Sequence[str], by: str = BY_OPERATOR) -> list[str]:
        """Let services start again; returns the nodes that are drained no more."""
        over = []
        for node in nodes:
            reasons = self._drained.get(node, [])
            if by in reasons:
                reasons.remove(by)
                if not reasons:
                    over.append(node)
        for node in over:
            del self._drained[node]
            for entry in self.at(node).values():
                self._begin_anew(entry)
            self._events.add("node_undrained", node=node, services=list(self.at(node)))
        self._keep()
        self._changed()
        return over

    @property
    def drained(self) -> Mapping[str, Sequence[str]]:
        """Who has drained each node that is."""
        return self._drained

    def ending(self, node: str) -> list[str]:
        """Services that a drained node still has, by name."""
        return [name for name, entry in self.at(node).items() if entry.phase != DRAINED]

    def end(self) -> None:
        """The run ends: leave nothing."""
        self._preparing.end()

    # Within

    def _enter(self, service: Service) -> None:
        hosts = [Host(node.name, node.kind, node.address) for node in self._book.by_name.values()]
        self._services[service.name] = service
        self._members[service.name] = members(service, hosts)

    def _begin_anew(self, entry: Entry) -> None:
        """What runs ends, and what is wanted starts."""
        self._generation += 1
        entry.anew = False
        entry.spec.generation = self._generation
        entry.status = service_pb2.ServiceStatus()
        self._move(entry, AWAITED)
        self._versions[entry.member.node] += 1

    def _place(
        self,
        name: str,
        generations: Mapping[tuple[str, str], int],
        versions: Mapping[tuple[str, str], tuple[int, int]],
    ) -> None:
        """Make room at each node of a service; generations and versions are those in force already, by node and service.

        Raises OSError, CannotPrepare.
        """
        self._generation += 1
        for member in self._members[name]:
            place = (member.node, name)
            version, previous = versions.get(place, (1, 0))
            service = self._editions.number(name, version, self._services[name])
            room, group = self._preparing.prepare(member.node, service)
            generation = generations.get(place, self._generation)
            filled = self._filled(service, member, room, generation)
            entry = Entry(service, member, filled, group, room, version=version, previous=previous)
            if member.node in self._drained:
                entry.phase = DRAINED
            self._entries[place] = entry
            self._versions[member.node] += 1

    def _filled(
        self, service: Service, member: Member, room: Room, generation: int
    ) -> service_pb2.ServiceSpec:
        """What a node is told of it."""
        return spec(
            service,
            member,
            self._members,
            room,
            run=self._run,
            generation=generation,
            watchdog_s=self._watchdog_s,
        )

    def _keep(self) -> None:
        """Write down what there is now; a run that never had a service has no file."""
        if not self._services and not self._drained and not self._file.exists():
            return
        entries = self._entries.items()
        kept = Kept(
            tuple(self._services.values()),
            {key: entry.spec.generation for key, entry in entries},
            self._editions.kept,
            {key: (entry.version, entry.previous) for key, entry in entries if entry.previous},
            {node: tuple(by) for node, by in self._drained.items()},
        )
        try:
            write(self._file, kept)
        except OSError as error:
            self._events.add("services_not_kept", error=error.strerror or str(error))

    def _require(self, name: str) -> None:
        if name not in self._services:
            known = ", ".join(self._services)
            raise ServiceProblem(
                f"no service is called {name!r}: " + (f"there are {known}" if known else "there is none")
            )

    def _refuse_containers(self, name: str, nodes: Sequence[str], verb: str) -> None:
        if any(self._entries[node, name].beside for node in nodes):
            containers = " ".join(sidecar_name(node, name) for node in nodes)
            raise ServiceProblem(
                f"{name} runs in containers beside its nodes, which the engine makes and removes: "
                f"docker compose {verb} {containers}"
            )

    def _refuse_unkept(self, name: str, nodes: Sequence[str], verb: str) -> None:
        if not self._containers_kept():
            self._refuse_containers(name, nodes, verb)

    def _refuse_drained(self, name: str, nodes: Sequence[str]) -> None:
        if there := [node for node in nodes if node in self._drained]:
            raise ServiceProblem(
                f"{name} does not start at {', '.join(there)}: drained; skyrack undrain {' '.join(there)}"
            )

    def _require_usable(self, service: Service) -> None:
        book = self._book.by_name
        for node in placed(service, [(n.name, n.kind) for n in book.values()]):
            if node not in book:
                raise ServiceProblem(f"{node}: no node with a process is called so")
        self._require_fillable(service, [*self._services, service.name])

    def _require_fillable(self, service: Service, known: Sequence[str]) -> None:
        for place, text in service.texts():
            for message, hint in mistakes(text, known, one_member=place == ("peer",)):
                raise ServiceProblem(f"{complaint(place, message)} ({hint})")

    def _nodes_of(self, name: str) -> list[str]:
        return [node for node, service in self._entries if service == name]

    def _changed(self) -> None:
        for listener in self._listeners:
            listener()

    def _forget_ended(self, node: str, reported: Collection[str]) -> None:
        """Clear up after services that the node does not have any more: those removed, and those of a drained node."""
        if node in self._drained:
            for name, entry in self.at(node).items():
                if name not in reported and not (entry.beside and self._book.by_name[node].alive):
                    self._move(entry, DRAINED)
        for key in [key for key in self._leaving if key[0] == node and key[1] not in reported]:
            group, data = self._leaving.pop(key)
            self._preparing.forget(*key, group, data=data)
