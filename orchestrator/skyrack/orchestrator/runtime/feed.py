"""Keeps whichever fabric there is on the timetable, and the routes clear of nodes that are dark.

next fabric --up--> feed it --ended--> all lasers dark, next fabric
                      ^
dark, lit, faults of links --> who is beside it notices --> news floods --> each node's routes
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Coroutine, Mapping, Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.fabric.client import FabricClient
from skyrack.orchestrator.routing.condition import AS_ALWAYS, Condition
from skyrack.orchestrator.routing.cut import Cut
from skyrack.orchestrator.routing.force_log import Way
from skyrack.orchestrator.routing.views import News
from skyrack.orchestrator.runtime.basis import Basis
from skyrack.orchestrator.runtime.mesh import MeshDriver
from skyrack.orchestrator.runtime.news import NewsDesk
from skyrack.orchestrator.runtime.oracle import Oracle
from skyrack.orchestrator.runtime.outages import Outages
from skyrack.orchestrator.runtime.processes import Processes
from skyrack.orchestrator.runtime.progress import Progress
from skyrack.orchestrator.topology.epoch import Epoch
from skyrack.orchestrator.topology.failures import NO_FAILURES, Failures, union

FABRIC_RESTART_S = 0.2
REATTACH_S = 1.0  # nodes try every 50 ms; one that has not come back to a new fabric by then is gone


class Feed:
    """`fabric` is the one that is up, if any; `epoch` was in force last; `up` is set from the first fabric on.

    `on_change`: hears from when on other links or routes are in force, ahead of time. `news`: how what fails and
    comes back gets about; `outages`: who beside it notices. `on_transfer`: hears what the fabric says of declared
    transfers; `on_hit`: of packets that a bit was turned over in. `on_fabric_up`, `on_fabric_down`: hear of a fabric that has
    begun, that has ended.
    """

    def __init__(self, basis: Basis, processes: Processes) -> None:
        self._scenario = basis.scenario
        self._geometry = basis.geometry
        self._timeline = basis.timeline
        self._roster = basis.roster
        self._fabrics = processes.fabrics
        self._nodes = processes.nodes
        self._awaited = processes.awaited
        self._events = basis.events
        self._clock = basis.clock
        self._worker = basis.worker
        self._gone: set[int] = set()  # nodes without a process that is attached
        self._absent: set[int] = set()  # of those, nodes that have never had one
        self._planned = NO_FAILURES, NO_FAILURES  # what is out and back as planned, and routes are to be told
        self._announcing = asyncio.Lock()
        self._drained: frozenset[int] = frozenset()
        self._darkened: set[int] = set()  # nodes that a fault keeps dark
        self._undarkened_s: dict[int, float] = {}  # when the last fault that kept a node dark ended
        self._conditions: dict[Way, Condition] = {}  # faults of links in force
        self._cuts: tuple[Cut, ...] = ()
        self._rerouting = asyncio.Lock()
        self._tasks: asyncio.TaskGroup | None = None
        self._driver: MeshDriver | None = None
        self.oracle = Oracle(basis.scenario, basis.geometry, basis.timeline, basis.worker)
        self.news = NewsDesk(
            scenario=basis.scenario,
            geometry=basis.geometry,
            timeline=basis.timeline,
            oracle=self.oracle,
            events=basis.events,
            clock=basis.clock,
            worker=basis.worker,
            failures=lambda: self.failures,
            mesh=lambda: (self._driver, self.fabric),
            start=self._start,
        )
        detection_s = basis.scenario.links.detection_s
        self.outages = Outages(detection_s, lambda: self.failures, basis.clock, self._start)
        self.fabric: FabricClient | None = None
        self.epoch: Epoch | None = None
        self.up = asyncio.Event()  # there is a fabric, and it has routes
        self.on_change: Callable[[float], None] = lambda at_s: None
        self.on_transfer: Callable[[Mapping[str, Any]], None] = lambda message: None
        self.on_hit: Callable[[Mapping[str, Any]], None] = lambda message: None
        self.on_fabric_up: Callable[[FabricClient], None] = lambda fabric: None
        self.on_fabric_down: Callable[[], None] = lambda: None

    async def run(self, progress: Progress) -> None:
        """Feed one fabric after the other until cancelled. Raises RuntimeError when there will be no other."""
        async with asyncio.TaskGroup() as self._tasks:
            self._start(self.news.run(), "news-desk")
            try:
                with progress.step("fabric") as step:
                    fabric = await self._next_fabric()
                    step.text = f"MTU {self._scenario.mtu}, "
                    step.text += "real-time priority" if fabric.scheduler == "fifo" else "normal priority"
                if fabric.scheduler != "fifo":
                    progress.send(note=f"fabric at normal priority: {fabric.scheduler_reason}")
                if self._awaited:
                    self._start(self._miss_absent(), "miss-absent")
                while True:
                    await self._serve(fabric)
                    await self._clock.sleep(FABRIC_RESTART_S)
                    fabric = await self._next_fabric()
                    self._events.add("fabric_up", scheduler=fabric.scheduler)
                    self.oracle.fabric_up(self._clock.run_s())
                    self._start(self._miss_absent(), "miss-absent")
                    await self._reroute()
            finally:
                self._tasks = None

    def pair_number(self, a: int, b: int) -> int | None:
        """The number of the pair of nodes in the fabric, if it is in use."""
        return self._driver.pair_number(a, b) if self._driver is not None else None

    async def _next_fabric(self) -> FabricClient:
        config = self._roster.fabric_config(self._clock.t0_monotonic_ns)
        self.fabric = fabric = await self._fabrics.start(config, self._hear)
        self._driver = MeshDriver(
            scenario=self._scenario,
            geometry=self._geometry,
            timeline=self._timeline,
            fabric=fabric,
            clock=self._clock,
            executor=self._worker,
            capacity=self._roster.link_capacity,
            in_force=self._in_force,
            adopted=self._adopted,
            conditions=self._conditions,
            failures=self.failures,
        )
        if self._darkened:
            fabric.set_lit(self._clock.run_s(), sorted(self._darkened), False)
        if self._cuts:
            fabric.set_cuts(self._clock.run_s(), _sides(self._cuts))
        self.on_fabric_up(fabric)
        return fabric

    async def _serve(self, fabric: FabricClient) -> None:
        """Feed a fabric until it has ended; then nothing moves any more."""
        assert self._driver is not None
        feeding = asyncio.create_task(self._driver.run(), name="mesh")
        ended = asyncio.create_task(fabric.wait(), name="fabric-process")
        try:
            await asyncio.wait({feeding, ended}, return_when=asyncio.FIRST_COMPLETED)
            if feeding.done():
                feeding.result()
            self.fabric = None
            self.on_fabric_down()
            down_s = self._clock.run_s()
            self.oracle.fabric_down(down_s)
            for node in self._nodes.book.by_name.values():
                self._nodes.attached(node, False)
                self.oracle.dark(down_s, node.index)
        finally:
            for task in (feeding, ended):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        self._events.add("fabric_down", run_s=down_s, **await self._fabrics.end())

    def _hear(self, message: Mapping[str, Any]) -> None:
        """The fabric says that a node is lit or dark, or how far a transfer is."""
        if message["op"] == "transfer":
            self.on_transfer(message)
            return
        if message["op"] == "hit":
            self.on_hit(message)
            return
        index, at_s, lit = int(message["node"]), float(message["at"]), message["op"] == "lit"
        node = self._nodes.book.by_index[index]
        self._nodes.attached(node, lit)
        self._events.add("node_lit" if lit else "node_dark", run_s=at_s, node=node.name)
        if lit:
            self._gone.discard(index)
            if index not in self._darkened:
                # It may have come back just before the fault ended, and be heard of after.
                self.oracle.lit(max(at_s, self._undarkened_s.get(index, at_s)), index)
        else:
            self._gone.add(index)
            self.oracle.dark(at_s, index)
        change = Failures(nodes=frozenset({index}))
        if lit and index in self._absent:
            self._absent.discard(index)
            self.outages.returned(change, at_s)
            self.announce(better=change)
        elif lit:
            self._returned(change, at_s, node.name)
        else:
            self._lost(change, at_s, node.name)

    def absent(self, nodes: Set[int]) -> None:
        """Before the first fabric: these have no process yet, and routes know it as well as anybody."""
        self._gone |= nodes
        self._absent |= nodes
        for node in nodes:
            self.oracle.dark(0.0, node)

    def announce(self, *, worse: Failures = NO_FAILURES, better: Failures = NO_FAILURES) -> None:
        """It is planned, so every node knows at once: what is out, or soon will be, and what is back."""
        out, back = self._planned
        self._planned = union((out.without(better), worse)), union((back.without(worse), better))
        self._start(self._tell_plan(), "announce")

    def drained(self, nodes: frozenset[int]) -> None:
        """From now on these nodes, and no others, are led through only where there is no other way."""
        before, self._drained = Failures(drained=self._drained), nodes
        now = Failures(drained=nodes)
        if now != before:
            self.announce(worse=now.without(before), better=before.without(now))

    async def _tell_plan(self) -> None:
        """All that has come together meanwhile goes in one."""
        async with self._announcing:
            (worse, better), self._planned = self._planned, (NO_FAILURES, NO_FAILURES)
            if (worse, better) != (NO_FAILURES, NO_FAILURES) and self._driver is not None:
                now_s = np.full(self._geometry.n_nodes, self._clock.run_s())
                await self._driver.hear(News(worse, better, now_s))

    async def turn(self, at_s: float) -> None:
        """Orbit time goes another way from `at_s` on: links and routes from then on are others than the fabric was told."""
        if self._driver is not None:
            await self._driver.turn(at_s)
        self.oracle.turned(at_s, self._clock.run_s())

    def apply(
        self,
        at_s: float,
        conditions: Mapping[Way, Condition],
        dark: Set[int],
        lit: Set[int],
        cuts: tuple[Cut, ...] | None,
    ) -> None:
        """Faults: from `at_s` on these directions of links are so, these nodes are dark, those no more, these cuts in force.

        Nobody has planned it: routes follow what goes dark after the detection time. `cuts`: None for those of before; no
        routes follow them, for nobody sees them.
        """
        pairs = {(min(way), max(way)) for way in conditions}
        down = self._down_links(pairs)
        for way, condition in conditions.items():
            if condition == AS_ALWAYS:
                self._conditions.pop(way, None)
            else:
                self._conditions[way] = condition
        self._darkened = (self._darkened | dark) - lit
        self._undarkened_s |= dict.fromkeys(lit, at_s)
        if self._driver is not None:
            self._driver.set_conditions(at_s, conditions)
        self.oracle.conditions(at_s, conditions)
        if cuts is not None:
            self._cuts = cuts
            if self.fabric is not None:
                self.fabric.set_cuts(at_s, _sides(cuts))
            self.oracle.cuts(at_s, cuts)
        for nodes, on in ((dark, False), (lit, True)):
            if nodes and self.fabric is not None:
                self.fabric.set_lit(at_s, sorted(nodes), on)
        for node in dark:
            self.oracle.dark(at_s, node)
        for node in lit - self._gone:
            self.oracle.lit(at_s, node)
        if (told_s := self._clock.run_s()) > at_s:
            self.oracle.late(at_s, told_s)
        after = self._down_links(pairs)
        worse = Failures(frozenset(dark), after - down)
        better = Failures(frozenset(lit), down - after)
        if worse != NO_FAILURES:
            self._lost(worse, at_s, "fault")
        if better != NO_FAILURES:
            self._returned(better, at_s, "fault")

    def _lost(self, change: Failures, at_s: float, cause: str) -> None:
        self.outages.lost(change, at_s)
        self.news.lost(change, at_s, cause)

    def _returned(self, change: Failures, at_s: float, cause: str) -> None:
        self.outages.returned(change, at_s)
        self.news.returned(change, at_s, cause)

    @property
    def failures(self) -> Failures:
        """What is out of service now, whether routes know of it or not."""
        return Failures(frozenset(self._gone | self._darkened), self._down_links(), self._drained)

    @property
    def told(self) -> Failures:
        """What of it somebody has noticed, or soon will."""
        return self.news.told

    def _down_links(self, pairs: Set[tuple[int, int]] | None = None) -> frozenset[tuple[int, int]]:
        """Those that a fault keeps down in a direction at least: of all, or of some pairs."""
        ways = self._conditions.keys() if pairs is None else {*pairs, *((b, a) for a, b in pairs)}
        return frozenset((min(way), max(way)) for way in ways if self._conditions.get(way, AS_ALWAYS).down)

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Its failure is the feed's. Nothing is started any more once the feed ends."""
        if self._tasks is None:
            work.close()
        else:
            self._tasks.create_task(work, name=name)

    async def _miss_absent(self) -> None:
        """After a fabric's start: nodes that died while there was none have not been reported dark by anybody."""
        await self._clock.sleep(REATTACH_S)
        absent = {node.index for node in self._nodes.book.by_name.values() if not node.attached} - self._gone
        self._gone |= absent
        self.outages.lost(Failures(nodes=frozenset(absent)), self._clock.run_s())
        await self._reroute()

    async def _reroute(self) -> None:
        async with self._rerouting:  # those who waited meanwhile find nothing left to do
            if self._driver is not None:
                self.oracle.rerouted(self._clock.run_s())
                await self._driver.set_failures(self.failures)
                self.oracle.rerouted(self._clock.run_s())

    def _adopted(self, when_s: NDArray[np.float64], epoch: Epoch) -> None:
        self.oracle.adopted(when_s, epoch)
        for at_s in np.unique(when_s[self._geometry.n_sat :]).tolist():
            if at_s < math.inf:
                self.on_change(at_s)

    def _in_force(self, at_s: float, epoch: Epoch) -> None:
        self.epoch = epoch
        self.oracle.in_force(at_s, epoch, self._clock.run_s())
        self.up.set()
        self.on_change(at_s)


def _sides(cuts: tuple[Cut, ...]) -> list[tuple[Set[int], Set[int]]]:
    return [(cut.sources, cut.targets) for cut in cuts]
