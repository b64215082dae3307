"""Hands on processes: what is the same wherever they run. A Site is where they do."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from skyrack.orchestrator.faults.effect import Upset
from skyrack.orchestrator.faults.hold import GUESTS, Hold, Place
from skyrack.orchestrator.faults.targets import Target
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.hands.hands import CannotError
from skyrack.orchestrator.runtime.hands.holder import Holder
from skyrack.orchestrator.runtime.nodes import NodeBook, NodeState
from skyrack.orchestrator.runtime.services.editions import ServiceProblem
from skyrack.orchestrator.runtime.services.entry import AWAITED, DRAINED, Entry
from skyrack.orchestrator.runtime.services.services import Services
from skyrack.orchestrator.scenario import Limits
from skyrack.v1 import holding
from skyrack.v1.draw import Draw

_WHOLE_NODES = ("reboot", "power", "lost", "sefi", "retire", "repair")
_MOST_NAMED = 6
BY_FAULT = "fault"
_STOP_MARGIN_S = 30.0  # beyond what a service has to end: for the node to say so
NOTHING_RUNS = "nothing runs there at the moment"


class Site(Protocol):
    """How a runtime gets at the processes of its nodes."""

    def why_not(self, kind: str, node: NodeState, services: Mapping[str, Entry], service: str) -> str | None:
        """What this runtime cannot do. `services`: all of the node; `service`: the one that is meant, or empty."""

    def holder(self, node: NodeState) -> Holder:
        """Who holds the processes of a node."""

    def first(self, node: NodeState) -> int | None:
        """The node's process as its holder counts; see holding.Spot."""

    def group(
        self, node: NodeState, service: str, cpu_ratio: float | None, limits: Sequence[Limits] = ()
    ) -> str:
        """A control group with that share of a core, empty where it cannot be had; without a share it is no longer needed.

        `limits`: of the services that are to go there.
        """

    async def limit(self, node: NodeState, entry: Entry, cpu_cores: float | None) -> str:
        """Have a service in a container beside its node get no more than that; says what took effect, or why it did not."""

    async def order(self, entry: Entry, do: str, **values: Any) -> list[str]:
        """Have something done to a service in a container beside its node; see sidecars/orders.py. Raises CannotError."""

    async def kill(self, node: NodeState) -> None:
        """SIGKILL to the node's process, and all that runs there with it. Raises CannotError."""

    async def off(self, node: NodeState) -> None:
        """The same, and nothing starts there until `on`. Raises CannotError."""

    async def erase(self, node: NodeState) -> list[str]:
        """Remove its data. Raises CannotError."""

    async def on(self, node: NodeState) -> None:
        """Let it start. Raises CannotError."""

    async def close(self) -> None:
        """The run ends."""


class Processes:
    """OnProcesses."""

    def __init__(self, site: Site, book: NodeBook, services: Services, events: EventLog) -> None:
        self._site = site
        self._book = book
        self._services = services
        self._events = events
        self._held: dict[Place, Hold] = {}
        self._told: dict[Place, holding.Spot] = {}  # which processes a holder was told of
        self._tasks: set[asyncio.Task[None]] = set()
        self._services_news = asyncio.Event()
        book.listen(self._node_changed)
        services.listen(self._services_changed)

    def refusal(self, kind: str, target: Target) -> str | None:
        """The first place where it cannot be."""
        reasons = (self._why_not(kind, self._book.by_index[node], service) for node, service in target.places)
        return next((reason for reason in reasons if reason is not None), None)

    def _why_not(self, kind: str, node: NodeState, service: str) -> str | None:
        services = self._services.at(node.name)
        if service and kind in _WHOLE_NODES:
            return f"{node.name}/{service}: it acts on a whole node: {node.name}"
        if kind == "flip-file":
            return self._without_files(node, service)
        if service in services and services[service].spec.python:
            return f"{node.name}/{service} is in the process of its node: take {node.name}"
        return self._site.why_not(kind, node, services, service)

    def _without_files(self, node: NodeState, service: str) -> str | None:
        services = self._services.at(node.name)
        if service and service not in services:
            return f"{node.name} runs no service called {service[:80]!r}"
        if not services:
            return f"{node.name} runs no service, and nothing else writes files"
        return self._site.why_not("flip-file", node, services, service)

    def _directories(self, node: NodeState) -> dict[str, str]:
        """Where the services keep their files that run in the node itself, by name, as far as that is known."""
        services = self._services.at(node.name).items()
        return {name: entry.data_dir for name, entry in services if entry.data_dir}

    def _beside(self, node: NodeState) -> dict[str, Entry]:
        """The services in containers beside the node."""
        return {name: entry for name, entry in self._services.at(node.name).items() if entry.beside}

    async def expect(self, target: Target) -> None:
        """Have their holders there."""
        holders = {self._site.holder(self._book.by_index[node]) for node, _ in target.places}
        await asyncio.gather(*(holder.ready() for holder in holders))

    async def off(self, node: int) -> list[str]:
        """Raises CannotError."""
        state = self._book.by_index[node]
        seen = await self._look(state)
        await self._site.off(state)
        return [_words("killed", seen) if seen else "off"]

    async def drain(self, node: int) -> list[str]:
        """Raises CannotError."""
        state = self._book.by_index[node]
        services = self._services.at(state.name)
        running = [name for name, entry in services.items() if entry.phase not in (AWAITED, DRAINED)]
        try:
            self._services.drain([state.name], BY_FAULT)
        except ServiceProblem as problem:
            raise CannotError(str(problem)) from problem
        most_s = (
            max((entry.service.stop_timeout_s for entry in services.values()), default=0.0) + _STOP_MARGIN_S
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(most_s):
                while self._services.ending(state.name):
                    self._services_news.clear()
                    await self._services_news.wait()
        if left := self._services.ending(state.name):
            raise CannotError(f"{', '.join(left)} has not ended within {most_s:g} s")
        return [f"{', '.join(running)} ended" if running else "no service ran"]

    def undrain(self, node: int) -> list[str]:
        """What was drained by faults."""
        self._services.undrain([self._book.by_index[node].name], BY_FAULT)
        return ["services may start"]

    async def erase(self, node: int) -> list[str]:
        """Raises CannotError."""
        state = self._book.by_index[node]
        said = await self._site.erase(state)
        for entry in self._beside(state).values():
            said += await self._site.order(entry, "erase")
        return said

    def lose(self, node: int) -> None:
        """Its state says so."""
        self._book.update(self._book.by_index[node], lost=True)

    async def on(self, node: int) -> list[str]:
        """Raises CannotError."""
        state = self._book.by_index[node]
        self._book.update(state, lost=False)
        await self._site.on(state)
        return ["started again"]

    async def kill(self, place: Place) -> list[str]:
        """Raises CannotError."""
        index, service = place
        node = self._book.by_index[index]
        if not node.alive:
            raise CannotError(NOTHING_RUNS)
        if service in (beside := self._beside(node)):
            return await self._site.order(beside[service], "signal", signal="SIGKILL")
        if service:
            seen = await self._site.holder(node).ask(holding.Kill(0, self._spot(node, service)))
            if not seen.count:
                raise CannotError(NOTHING_RUNS)
            return [_words("killed", seen), *_left("may not be killed", seen)]
        looked = await self._look(node)
        self._events.add("node_signalled", node=node.name, signal=int(signal.SIGKILL))
        await self._site.kill(node)
        return [_words("killed", looked) if looked else "killed"]

    async def upset(self, place: Place, upset: Upset, key: str) -> list[str]:
        """Raises CannotError."""
        index, service = place
        node = self._book.by_index[index]
        draw = f"{upset.draw}/{node.name}/{service}"
        if upset.what == "file":
            return await self._flip_file(node, service, draw)
        if not node.alive:
            raise CannotError(NOTHING_RUNS)
        if service in (beside := self._beside(node)):
            if upset.what == "hang":
                return await self._site.order(beside[service], "hang")
            return await self._site.order(beside[service], "signal", signal="SIGSEGV")
        holder = self._site.holder(node)
        request = holding.Upset(0, self._spot(node, service), upset.what, draw, key, ())
        seen = await (holder.hang(request) if upset.what == "hang" else holder.ask(request))
        return list(seen.said)

    async def _flip_file(self, node: NodeState, service: str, draw: str) -> list[str]:
        """What runs in the node has files as one, and each container beside it its own: which of these is drawn alike."""
        beside, within = self._beside(node), self._directories(node)
        if service:
            beside = {name: entry for name, entry in beside.items() if name == service}
            within = {name: place for name, place in within.items() if name == service}
        places = [*beside.values(), *([None] if within else [])]
        if not places:
            raise CannotError("where its services keep their files is not known at the moment")
        entry = places[Draw(draw).below(len(places))]
        if entry is not None:
            return await self._site.order(entry, "flip", draw=draw)
        upset = holding.Upset(0, holding.Spot(0), "file", draw, "", tuple(within.values()))
        return list((await self._site.holder(node).ask(upset)).said)

    async def release(self, place: Place, key: str) -> list[str]:
        """Raises CannotError."""
        node = self._book.by_index[place[0]]
        if place[1] in (beside := self._beside(node)):
            return await self._site.order(beside[place[1]], "go-on")
        return list((await self._site.holder(node).release(key)).said)

    async def hold(self, place: Place, before: Hold, hold: Hold) -> list[str]:
        """Raises CannotError."""
        node = self._book.by_index[place[0]]
        if (before.paused, before.cpu_ratio) == (hold.paused, hold.cpu_ratio):
            return []
        beside = list(self._beside(node).values())
        if place[1] == GUESTS and beside and before.cpu_ratio != hold.cpu_ratio:
            return await self._hold_with_those_beside(node, before, hold, beside)
        return await self._hold_within(place, node, before, hold)

    async def _hold_with_those_beside(
        self, node: NodeState, before: Hold, hold: Hold, beside: Sequence[Entry]
    ) -> list[str]:
        """Who keeps them to a share cannot know what the others use: everybody gets an equal part of it."""
        within = [
            one for one in self._services.at(node.name).values() if one not in beside and one.spec.command
        ]
        parts = len(beside) + bool(within)
        ratio = None if hold.cpu_ratio is None else hold.cpu_ratio / parts
        earlier = None if before.cpu_ratio is None else before.cpu_ratio / parts
        limits = (self._site.limit(node, entry, ratio) for entry in beside)
        said = await asyncio.gather(*limits)
        place = (node.index, GUESTS)
        held = await self._hold_within(
            place, node, replace(before, cpu_ratio=earlier), replace(hold, cpu_ratio=ratio)
        )
        return [*(held if within else ()), *said]

    async def _hold_within(self, place: Place, node: NodeState, before: Hold, hold: Hold) -> list[str]:
        self._held[place] = hold
        try:
            seen = await self._tell(place, node)
        except CannotError:
            if node.alive:
                raise
            return [NOTHING_RUNS]  # who comes is held
        finally:
            if not hold.paused and hold.cpu_ratio is None:
                del self._held[place]
                self._told.pop(place, None)
        return list(_held_words(before, hold, seen))

    async def close(self) -> None:
        """The run ends."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._site.close()

    # Who comes and goes meanwhile

    def _node_changed(self, node: NodeState) -> None:
        for place in self._held:
            if place[0] == node.index and node.alive:
                self._tell_later(place, node)

    def _services_changed(self) -> None:
        self._services_news.set()
        for place in self._held:
            if place[1] not in ("", GUESTS):
                self._tell_later(place, self._book.by_index[place[0]])

    def _tell_later(self, place: Place, node: NodeState) -> None:
        spot = self._spot(node, place[1])
        if self._told.get(place) != spot:
            self._start(self._tell_again(place, node))

    async def _tell_again(self, place: Place, node: NodeState) -> None:
        if place in self._held:
            await self._tell(place, node)

    def _start(self, work: Coroutine[Any, Any, object]) -> None:
        async def run() -> None:
            with contextlib.suppress(CannotError):  # a holder that comes later is told
                await work

        task = asyncio.create_task(run(), name="hands")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self, place: Place, node: NodeState) -> holding.Seen:
        """Have the place held as it is to be now. Raises CannotError."""
        hold, service = self._held[place], place[1]
        spot = self._spot(node, service)
        self._told[place] = spot
        services = self._services.at(node.name).values()
        limits = [e.service.limits for e in services if service in ("", GUESTS, e.service.name)]
        group = self._site.group(node, service, hold.cpu_ratio, limits) if hold.cpu_ratio else ""
        key = f"{node.name}/{service}"
        try:
            return await self._site.holder(node).hold(
                holding.Hold(0, key, spot, hold.paused, hold.cpu_ratio, group)
            )
        finally:
            if not group:
                self._site.group(node, service, None)

    async def _look(self, node: NodeState) -> holding.Seen | None:
        """Who runs there, where that can be seen."""
        if not node.alive:
            return None
        with contextlib.suppress(CannotError):
            return await self._site.holder(node).ask(holding.Look(0, self._spot(node, "")))
        return None

    def _spot(self, node: NodeState, service: str) -> holding.Spot:
        first = self._site.first(node)
        if service == GUESTS:
            return holding.Spot(first, guests=True)
        if not service:
            return holding.Spot(first)
        entry = self._services.at(node.name).get(service)
        return holding.Spot(first, entry.status.pid if entry is not None and entry.phase != AWAITED else 0)


def _words(verb: str, seen: holding.Seen) -> str:
    if not seen.count:
        return NOTHING_RUNS
    named = [f"{name} (pid {pid})" for pid, name in seen.processes[:_MOST_NAMED]]
    more = f" and {seen.count - len(named)} more" if seen.count > len(named) else ""
    return f"{verb} {_processes(seen.count)}: {', '.join(named)}{more}"


def _processes(count: int) -> str:
    return "1 process" if count == 1 else f"{count} processes"


def _left(what: str, seen: holding.Seen) -> list[str]:
    return [f"{', '.join(seen.left[:_MOST_NAMED])} {what}"] if seen.left else []


def _held_words(before: Hold, hold: Hold, seen: holding.Seen) -> Iterator[str]:
    if hold.paused and not before.paused:
        yield _words("stopped", seen)
        yield from _left("cannot be stopped", seen)
    if before.paused and not hold.paused:
        yield f"{_processes(seen.count)} {'goes' if seen.count == 1 else 'go'} on"
    if hold.cpu_ratio != before.cpu_ratio:
        if hold.cpu_ratio is None:
            yield "no share of a core is kept to any more"
        else:
            how = "a quota of their control group" if seen.by == "quota" else "stopping and continuing them"
            yield f"{hold.cpu_ratio:g} of a core for {_processes(seen.count)} together, by {how}"
