"""Keeps whichever fabric there is on the timetable, and the routes clear of nodes that are dark.

next fabric --up--> feed it --ended--> all lasers dark, next fabric
                      ^
lit, dark (after the detection time) --> routes
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor
from typing import Any

from skyrack.orchestrator.clock import RealClock
from skyrack.orchestrator.fabric.client import FabricClient
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.mesh import MeshDriver
from skyrack.orchestrator.runtime.oracle import Oracle
from skyrack.orchestrator.runtime.processes import Processes
from skyrack.orchestrator.runtime.progress import Progress
from skyrack.orchestrator.runtime.roster import Roster
from skyrack.orchestrator.scenario import Scenario
from skyrack.orchestrator.topology.epoch import Epoch
from skyrack.orchestrator.topology.geometry import Geometry

FABRIC_RESTART_S = 0.2
REATTACH_S = 1.0  # nodes try every 50 ms; one that has not come back to a new fabric by then is gone


class Feed:
    """`fabric` is the one that is up, if any; `epoch` was in force last; `up` is set from the first fabric on.

    `on_change`: hears from when on other links or routes are in force, ahead of time. `on_transfer`: hears what the fabric
    says of declared transfers. `on_fabric_down`: hears that a fabric has ended.
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
        self._dark: set[int] = set()
        self._rerouting = asyncio.Lock()
        self._tasks: asyncio.TaskGroup | None = None
        self._driver: MeshDriver | None = None
        self.oracle = Oracle(scenario, geometry, worker)
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
        )
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
            self.oracle.lit(at_s, index)
            self._dark.discard(index)
        else:
            self.oracle.dark(at_s, index)
            self._dark.add(index)
        self._start(self._reroute_after(0.0 if lit else self._scenario.links.detection_s), "reroute")

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Its failure is the feed's. Nothing is started any more once the feed ends."""
        if self._tasks is None:
            work.close()
        else:
            self._tasks.create_task(work, name=name)

    async def _miss_absent(self) -> None:
        """After a fabric's start: nodes that died while there was none have not been reported dark by anybody."""
        await self._clock.sleep(REATTACH_S)
        self._dark |= {node.index for node in self._nodes.book.by_name.values() if not node.attached}
        await self._reroute()

    async def _reroute_after(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        await self._reroute()

    async def _reroute(self) -> None:
        async with self._rerouting:  # those who waited meanwhile find nothing left to do
            if self._driver is not None:
                self.oracle.rerouted(self._clock.run_s())
                await self._driver.set_dark(frozenset(self._dark))
                self.oracle.rerouted(self._clock.run_s())

    def _in_force(self, at_s: float, epoch: Epoch) -> None:
        self.epoch = epoch
        self.oracle.in_force(at_s, epoch, self._clock.run_s())
        self.on_change(at_s)
