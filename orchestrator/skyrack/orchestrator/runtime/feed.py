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
from concurrent.futures import Executor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.clock import RealClock
from skyrack.orchestrator.fabric.client import FabricClient
from skyrack.orchestrator.metrics.convergence import ConvergenceTally
from skyrack.orchestrator.routing.condition import AS_ALWAYS, Condition
from skyrack.orchestrator.routing.flooding import (
    all_heard_s,
    learns_s,
    summary,
    witnesses_of_loss,
    witnesses_of_return,
)
from skyrack.orchestrator.routing.force_log import Way
from skyrack.orchestrator.routing.views import News
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.mesh import MeshDriver
from skyrack.orchestrator.runtime.oracle import Oracle
from skyrack.orchestrator.runtime.processes import Processes
from skyrack.orchestrator.runtime.progress import Progress
from skyrack.orchestrator.runtime.roster import Roster
from skyrack.orchestrator.scenario import Scenario
from skyrack.orchestrator.topology.epoch import Epoch
from skyrack.orchestrator.topology.failures import NO_FAILURES, Failures
from skyrack.orchestrator.topology.geometry import Geometry

FABRIC_RESTART_S = 0.2
LOST_BY_CHANGES = ("dark", "link_down", "no_route", "loop")
SPREAD_LEAD_S = 0.1  # how long before anybody notices the fabric is told who will hear when
REATTACH_S = 1.0  # nodes try every 50 ms; one that has not come back to a new fabric by then is gone


class Feed:
    """`fabric` is the one that is up, if any; `epoch` was in force last; `up` is set from the first fabric on.

    `on_change`: hears from when on other links or routes are in force, ahead of time. `convergence`: how long news took.
    `on_transfer`: hears what the fabric says of declared transfers. `on_fabric_down`: hears that a fabric has ended.
    """

    def __init__(
        self,
        scenario: Scenario,
        geometry: Geometry,
        roster: Roster,
        processes: Processes,
        events: EventLog,
        clock: RealClock,
        worker: Executor,
    ) -> None:
        self._scenario = scenario
        self._geometry = geometry
        self._roster = roster
        self._fabrics = processes.fabrics
        self._nodes = processes.nodes
        self._awaited = processes.awaited
        self._events = events
        self._clock = clock
        self._worker = worker
        self._names = geometry.names
        self._gone: set[int] = set()  # nodes without a process that is attached
        self._darkened: set[int] = set()  # nodes that a fault keeps dark
        self._conditions: dict[Way, Condition] = {}  # faults of links in force
        self._missed_s: dict[Failures, float] = {}  # when a part is missed; infinite: it was back before
        self._rerouting = asyncio.Lock()
        self._tasks: asyncio.TaskGroup | None = None
        self._driver: MeshDriver | None = None
        self.oracle = Oracle(scenario, geometry, worker)
        self.convergence = ConvergenceTally()
        self.fabric: FabricClient | None = None
        self.epoch: Epoch | None = None
        self.up = asyncio.Event()
        self.on_change: Callable[[float], None] = lambda at_s: None
        self.on_transfer: Callable[[Mapping[str, Any]], None] = lambda message: None
        self.on_fabric_down: Callable[[], None] = lambda: None

    async def run(self, progress: Progress) -> None:
        """Feed one fabric after the other until cancelled. Raises RuntimeError when there will be no other."""
        async with asyncio.TaskGroup() as self._tasks:
            try:
                with progress.step("fabric") as step:
                    fabric = await self._next_fabric()
                    step.text = f"MTU {self._scenario.mtu}, "
                    step.text += "real-time priority" if fabric.scheduler == "fifo" else "normal priority"
                if fabric.scheduler != "fifo":
                    progress.send(note=f"fabric at normal priority: {fabric.scheduler_reason}")
                self.up.set()
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
            self._scenario,
            self._geometry,
            fabric,
            self._clock,
            self._worker,
            self._roster.link_capacity,
            self._in_force,
            self._adopted,
            self._conditions,
            self.failures,
        )
        if self._darkened:
            fabric.set_lit(self._clock.run_s(), sorted(self._darkened), False)
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
        index, at_s, lit = int(message["node"]), float(message["at"]), message["op"] == "lit"
        node = self._nodes.book.by_index[index]
        self._nodes.attached(node, lit)
        self._events.add("node_lit" if lit else "node_dark", run_s=at_s, node=node.name)
        if lit:
            self._gone.discard(index)
            if index not in self._darkened:
                self.oracle.lit(at_s, index)
        else:
            self._gone.add(index)
            self.oracle.dark(at_s, index)
        change = Failures(nodes=frozenset({index}))
        if lit:
            self._start(self._spread_return(change, at_s, node.name), "news")
        else:
            self._start(self._spread_loss(change, at_s, node.name), "news")

    def apply(self, at_s: float, conditions: Mapping[Way, Condition], dark: Set[int], lit: Set[int]) -> None:
        """Faults: from `at_s` on these directions of links are so, these nodes are dark, those no more.

        Nobody has planned it: routes follow what goes dark after the detection time.
        """
        down = self._down_links()
        for way, condition in conditions.items():
            if condition == AS_ALWAYS:
                self._conditions.pop(way, None)
            else:
                self._conditions[way] = condition
        self._darkened = (self._darkened | dark) - lit
        if self._driver is not None:
            self._driver.set_conditions(at_s, conditions)
        self.oracle.conditions(at_s, conditions)
        for nodes, on in ((dark, False), (lit, True)):
            if nodes and self.fabric is not None:
                self.fabric.set_lit(at_s, sorted(nodes), on)
        for node in dark:
            self.oracle.dark(at_s, node)
        for node in lit - self._gone:
            self.oracle.lit(at_s, node)
        after = self._down_links()
        worse = Failures(frozenset(dark), after - down)
        better = Failures(frozenset(lit), down - after)
        if worse != NO_FAILURES:
            self._start(self._spread_loss(worse, at_s, "fault"), "news")
        if better != NO_FAILURES:
            self._start(self._spread_return(better, at_s, "fault"), "news")

    @property
    def failures(self) -> Failures:
        """What is out of service now, whether routes know of it or not."""
        return Failures(frozenset(self._gone | self._darkened), self._down_links())

    @property
    def told(self) -> Failures:
        """What of it somebody has noticed, or soon will."""
        return self._driver.told if self._driver is not None else NO_FAILURES

    def _down_links(self) -> frozenset[tuple[int, int]]:
        return frozenset(
            (min(way), max(way)) for way, condition in self._conditions.items() if condition.down
        )

    async def _spread_loss(self, worse: Failures, at_s: float, cause: str) -> None:
        """What is back before anybody can have missed it is no news."""
        before = await self._drops()
        await self._clock.sleep(at_s + self._scenario.links.detection_s - SPREAD_LEAD_S - self._clock.run_s())
        out = self.failures
        still = Failures(worse.nodes & out.nodes, worse.links & out.links)
        if still != NO_FAILURES:
            self._missed_s |= dict.fromkeys(still.parts(), at_s + self._scenario.links.detection_s)
            await self._spread(still, NO_FAILURES, at_s, cause, before)

    async def _spread_return(self, better: Failures, at_s: float, cause: str) -> None:
        """What nobody has missed is no news either."""
        told = self.told
        missed = Failures(better.nodes & told.nodes, better.links & told.links)
        # The loss was told ahead, so its end has to be, whether anybody missed it or not.
        for part in missed.parts():
            if at_s < self._missed_s.get(part, -math.inf):
                self._missed_s[part] = math.inf
        if missed != NO_FAILURES:
            await self._spread(NO_FAILURES, missed, at_s, cause, await self._drops())

    def _was_missed(self, change: Failures) -> bool:
        return any(self._missed_s.get(part, -math.inf) < math.inf for part in change.parts())

    async def _spread(
        self, worse: Failures, better: Failures, at_s: float, cause: str, before: Mapping[str, int]
    ) -> None:
        """Those beside a change notice, the news floods, each node routes anew when it hears; then say how that went."""
        loop = asyncio.get_running_loop()
        epoch = self.oracle.epoch_at(at_s)
        if epoch is None or self._driver is None:
            return
        parts_s = await loop.run_in_executor(self._worker, self._learn, epoch, worse, better, at_s)
        news = News(worse, better, all_heard_s(parts_s, self._geometry.n_nodes))
        late_s = await self._driver.hear(news)
        until_s = max(news.last_s, at_s) + late_s
        await self._clock.sleep(until_s - self._clock.run_s())
        if not self._was_missed(worse if worse != NO_FAILURES else better):
            return
        after = await self._drops()
        heard = summary(parts_s, self._geometry.n_nodes, at_s)
        # Not in the worker, which keeps the fabric on time.
        pairs = await asyncio.to_thread(self.oracle.pairs_record, self.failures, at_s, until_s)
        for stage, seconds in (
            ("detected", heard["detected_after_s"]),
            ("informed", heard["last_informed_after_s"]),
        ):
            if seconds is not None:
                self.convergence.observe(stage, seconds)
        if pairs.get("restored"):
            self.convergence.observe("restored", pairs["restored_after_s"]["median"], pairs["restored"])
        self._events.add(
            "convergence",
            change="loss" if worse != NO_FAILURES else "return",
            cause=cause,
            since_s=round(at_s, 6),
            nodes=[self._names[node] for node in sorted(worse.nodes | better.nodes)],
            links=[f"{self._names[a]}-{self._names[b]}" for a, b in sorted(worse.links | better.links)],
            **heard,
            told_late_s=round(late_s, 6),
            packets_dropped={name: after[name] - before[name] for name in before if name in after},
            pairs=pairs,
        )

    async def _drops(self) -> dict[str, int]:
        """Packets lost so far in ways in which changes of the mesh lose them, and those sent back where they came from."""
        if self.fabric is None:
            return {}
        try:
            counters = await self.fabric.counters()
        except (ConnectionError, TimeoutError):
            return {}
        return {name: counters["drops"][name] for name in LOST_BY_CHANGES} | {"sent_back": counters["loops"]}

    def _learn(
        self, epoch: Epoch, worse: Failures, better: Failures, at_s: float
    ) -> list[NDArray[np.float64]]:
        """When each node hears, for every part of the change. Runs in the worker thread."""
        links, a, b = self._scenario.links, epoch.a, epoch.b
        n_nodes = self._geometry.n_nodes
        routers = np.array([kind != "user" for kind in self._geometry.kind])
        delay_s = self._geometry.delay_s(a, b, at_s * self._scenario.speed)
        if links.zero_delay:
            delay_s = np.zeros_like(delay_s)
        lit = self.failures.spare(a, b)
        parts_s = []
        for part in (worse if worse != NO_FAILURES else better).parts():
            if worse != NO_FAILURES:
                seen = witnesses_of_loss(a, b, delay_s, ~part.spare(a, b), at_s, links.detection_s)
            else:
                seen = witnesses_of_return(a, b, delay_s, ~part.spare(a, b) & lit, at_s)
            seen = {node: when_s for node, when_s in seen.items() if node not in worse.nodes}
            parts_s.append(
                learns_s(n_nodes, a[lit], b[lit], delay_s[lit], links.flood_processing_s, seen, routers)
            )
        return parts_s

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Its failure is the feed's. Nothing is started any more once the feed ends."""
        if self._tasks is None:
            work.close()
        else:
            self._tasks.create_task(work, name=name)

    async def _miss_absent(self) -> None:
        """After a fabric's start: nodes that died while there was none have not been reported dark by anybody."""
        await self._clock.sleep(REATTACH_S)
        self._gone |= {node.index for node in self._nodes.book.by_name.values() if not node.attached}
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
        self.on_change(at_s)
