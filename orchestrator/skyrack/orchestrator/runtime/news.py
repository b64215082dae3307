"""News of what fails and comes back: noticed after the detection time, flooded, adopted node by node, and reported.

lost at t --> t + detection: still out, since t? --\\
                                                    due --> one flood of all that is due --> routes of each node --> event
back at t --> has anybody missed it? --------------/
                                    '-- no: what was told ahead of it is taken back, and nobody ever hears of it

At most FLOODS_AT_ONCE are under way. What falls due meanwhile goes together in the next one: a thousand lasers that fail within
a second are a few floods, not a thousand, and a node acts on the flood when all of it has reached it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.clock import Clock
from skyrack.orchestrator.fabric.client import FabricClient
from skyrack.orchestrator.metrics.convergence import ConvergenceTally
from skyrack.orchestrator.routing.flooding import (
    all_heard_s,
    learns_s,
    summary,
    witnesses_of_loss,
    witnesses_of_return,
)
from skyrack.orchestrator.routing.views import News
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.mesh import MeshDriver
from skyrack.orchestrator.runtime.oracle import Oracle
from skyrack.orchestrator.scenario import Scenario
from skyrack.orchestrator.timeline import Timeline
from skyrack.orchestrator.topology.epoch import Epoch
from skyrack.orchestrator.topology.failures import NO_FAILURES, Failures, union
from skyrack.orchestrator.topology.geometry import Geometry

LOST_BY_CHANGES = ("dark", "link_down", "no_route", "loop")
FLOODS_AT_ONCE = 2  # each adds views that nodes may have, and so trees to compute
SPREAD_LEAD_S = 0.1  # how long before anybody notices the fabric is told who will hear when

Drops = Mapping[str, int]


@dataclass(slots=True)
class Change:
    """One node or link that failed, or is back, at `at_s`; `before`: packets lost so far, by cause.

    `taken_back`: it was back before anybody could miss it.
    """

    part: Failures
    lost: bool
    at_s: float
    cause: str
    before: Drops
    taken_back: bool = False


@dataclass(frozen=True, slots=True)
class Flood:
    """Changes that were told together; `parts_s`: when each node (n_nodes,) heard of each of them, told `late_s` too late."""

    changes: tuple[Change, ...]
    parts_s: tuple[NDArray[np.float64], ...]
    until_s: float
    late_s: float

    def standing(self) -> Flood:
        """Without what was taken back."""
        kept = [i for i, change in enumerate(self.changes) if not change.taken_back]
        changes, parts_s = tuple(self.changes[i] for i in kept), tuple(self.parts_s[i] for i in kept)
        return replace(self, changes=changes, parts_s=parts_s)


class NewsDesk:
    """`failures` says what is out of service now, `mesh` who feeds which fabric now. `run` has to be running."""

    def __init__(
        self,
        scenario: Scenario,
        geometry: Geometry,
        timeline: Timeline,
        oracle: Oracle,
        events: EventLog,
        clock: Clock,
        worker: Executor,
        failures: Callable[[], Failures],
        mesh: Callable[[], tuple[MeshDriver | None, FabricClient | None]],
        start: Callable[[Coroutine[Any, Any, None], str], None],
    ) -> None:
        self._scenario = scenario
        self._geometry = geometry
        self._timeline = timeline
        self._routers = np.array([kind != "user" for kind in geometry.kind])
        self._oracle = oracle
        self._events = events
        self._clock = clock
        self._worker = worker
        self._failures = failures
        self._mesh = mesh
        self._start = start
        self._due: list[Change] = []
        self._arrived = asyncio.Event()
        self._under_way: list[Flood] = []
        self._over: list[Flood] = []  # and not reported yet
        self._reporting = False
        self._out_since_s: dict[Failures, float] = {}
        # The latest loss of each part that was told, whether anybody has missed it yet or not.
        self._told_losses: dict[Failures, Change] = {}
        self.convergence = ConvergenceTally()

    @property
    def told(self) -> Failures:
        """What somebody knows to have failed, or soon will."""
        driver, _ = self._mesh()
        return driver.told if driver is not None else NO_FAILURES

    def lost(self, change: Failures, at_s: float, cause: str) -> None:
        """These nodes and links are out since `at_s`, for all that nobody has been told."""
        for part in change.parts():
            self._out_since_s.setdefault(part, at_s)
        self._start(self._notice_loss(change, at_s, cause), "news")

    def returned(self, change: Failures, at_s: float, cause: str) -> None:
        """These are in service again from `at_s` on, but for those that something else keeps out."""
        out, detection_s = self._failures(), self._scenario.links.detection_s
        unmissed: list[Failures] = []
        for part in change.parts():
            if not part.within(out):
                self._out_since_s.pop(part, None)
                loss = self._told_losses.pop(part, None)
                if loss is not None and at_s < loss.at_s + detection_s:
                    loss.taken_back = True
                    unmissed.append(part)
        if unmissed:
            self._start(self._take_back(union(unmissed)), "news")
        missed = [part for part in change.parts() if part not in unmissed]
        if missed:
            self._start(self._notice_return(union(missed), at_s, cause), "news")

    async def run(self) -> None:
        """Tell one flood after the other until cancelled."""
        while True:
            await self._arrived.wait()
            await self._clock.sleep(self._free_s() - self._clock.run_s())
            self._arrived.clear()
            due, self._due = self._due, []
            out, told = self._failures(), self.told
            lost = [
                change
                for change in due
                if change.lost
                and change.part.within(out)
                and not change.part.within(told)
                and self._out_since_s.get(change.part) == change.at_s
            ]
            self._told_losses |= {change.part: change for change in lost}
            back = [
                change
                for change in due
                if not change.lost and change.part.within(told) and not change.part.within(out)
            ]
            for changes in (lost, back):
                if changes:
                    await self._spread(changes)

    def _free_s(self) -> float:
        """When another flood may be told, with no more than FLOODS_AT_ONCE under way."""
        now_s = self._clock.run_s()
        self._under_way = [
            flood for flood in self._under_way if flood.until_s > now_s and flood.standing().changes
        ]
        ends_s = sorted(flood.until_s for flood in self._under_way)
        return now_s if len(ends_s) < FLOODS_AT_ONCE else ends_s[-FLOODS_AT_ONCE]

    async def _notice_loss(self, change: Failures, at_s: float, cause: str) -> None:
        before, noticed_s = await self._drops(), at_s + self._scenario.links.detection_s
        await self._clock.sleep(noticed_s - SPREAD_LEAD_S - self._clock.run_s())
        out = self._failures()
        still = [part for part in change.parts() if part.within(out)]
        self._enter([Change(part, True, at_s, cause, before) for part in still])

    async def _notice_return(self, change: Failures, at_s: float, cause: str) -> None:
        before = await self._drops()
        self._enter([Change(part, False, at_s, cause, before) for part in change.parts()])

    async def _take_back(self, parts: Failures) -> None:
        """Nobody is to hear of losses that were told ahead."""
        driver, _ = self._mesh()
        if driver is not None:
            await driver.unhear(parts)

    def _enter(self, changes: Sequence[Change]) -> None:
        self._due += changes
        self._arrived.set()

    async def _spread(self, changes: Sequence[Change]) -> None:
        """Those beside the changes notice, the news floods, each node routes anew when it hears."""
        loop = asyncio.get_running_loop()
        at_s = min(change.at_s for change in changes)
        epoch, (driver, _) = self._oracle.epoch_at(at_s), self._mesh()
        if epoch is None or driver is None:
            return
        parts_s = await loop.run_in_executor(self._worker, self._learn, epoch, changes)
        whole = union(change.part for change in changes)
        worse, better = (whole, NO_FAILURES) if changes[0].lost else (NO_FAILURES, whole)
        news = News(worse, better, all_heard_s(parts_s, self._geometry.n_nodes))
        late_s = await driver.hear(news)
        flood = Flood(tuple(changes), tuple(parts_s), max(news.last_s, at_s) + late_s, late_s)
        back_meanwhile = [change.part for change in changes if change.taken_back]
        if back_meanwhile:
            await driver.unhear(union(back_meanwhile))
        self._under_way.append(flood)
        self._start(self._follow(flood), "flood")

    def _learn(self, epoch: Epoch, changes: Sequence[Change]) -> list[NDArray[np.float64]]:
        """When each node hears, for every change. Runs in the worker thread."""
        links, a, b = self._scenario.links, epoch.a, epoch.b
        n_nodes, gone = self._geometry.n_nodes, frozenset[int]()
        if changes[0].lost:
            gone = union(change.part for change in changes).nodes
        delay_s = self._geometry.delay_s(a, b, self._timeline.t_s(changes[0].at_s))
        if links.zero_delay:
            delay_s = np.zeros_like(delay_s)
        lit = self._failures().spare(a, b)
        parts_s = []
        for change in changes:
            hit = ~change.part.spare(a, b)
            if change.lost:
                seen = witnesses_of_loss(a, b, delay_s, hit, change.at_s, links.detection_s)
            else:
                seen = witnesses_of_return(a, b, delay_s, hit & lit, change.at_s)
            seen = {node: when_s for node, when_s in seen.items() if node not in gone}
            parts_s.append(
                learns_s(n_nodes, a[lit], b[lit], delay_s[lit], links.flood_processing_s, seen, self._routers)
            )
        return parts_s

    async def _follow(self, flood: Flood) -> None:
        """Report it once everybody has heard, together with what else is over when the report before is done."""
        await self._clock.sleep(flood.until_s - self._clock.run_s())
        flood = flood.standing()
        if not flood.changes:
            return
        self._over.append(flood)
        if self._reporting:
            return
        self._reporting = True
        try:
            while self._over:
                lost = self._over[0].changes[0].lost
                alike = [flood for flood in self._over if flood.changes[0].lost == lost]
                self._over = [flood for flood in self._over if flood.changes[0].lost != lost]
                await self._report(alike)
        finally:
            self._reporting = False

    async def _report(self, floods: Sequence[Flood]) -> None:
        changes = [change for flood in floods for change in flood.changes]
        parts_s = [part_s for flood in floods for part_s in flood.parts_s]
        at_s, until_s = min(change.at_s for change in changes), max(flood.until_s for flood in floods)
        late_s = max(flood.late_s for flood in floods)
        after, before = await self._drops(), changes[0].before
        heard = summary(parts_s, self._geometry.n_nodes, at_s)
        # Not in the worker, which keeps the fabric on time.
        pairs = await asyncio.to_thread(self._oracle.pairs_record, self._failures(), at_s, until_s)
        for stage, seconds in (
            ("detected", heard["detected_after_s"]),
            ("informed", heard["last_informed_after_s"]),
        ):
            if seconds is not None:
                self.convergence.observe(stage, seconds)
        if pairs.get("restored"):
            self.convergence.observe("restored", pairs["restored_after_s"]["median"], pairs["restored"])
        names, whole = self._geometry.names, union(change.part for change in changes)
        self._events.add(
            "convergence",
            change="loss" if changes[0].lost else "return",
            cause=", ".join(dict.fromkeys(change.cause for change in changes)),
            since_s=round(at_s, 6),
            nodes=[names[node] for node in sorted(whole.nodes)],
            links=[f"{names[a]}-{names[b]}" for a, b in sorted(whole.links)],
            **heard,
            told_late_s=round(late_s, 6),
            packets_dropped={name: after[name] - before[name] for name in before if name in after},
            pairs=pairs,
        )

    async def _drops(self) -> Drops:
        """Packets lost so far in ways in which changes of the mesh lose them, and those sent back where they came from."""
        _, fabric = self._mesh()
        if fabric is not None:
            with contextlib.suppress(ConnectionError, TimeoutError):
                counters = await fabric.counters()
                return {name: counters["drops"][name] for name in LOST_BY_CHANGES} | {
                    "sent_back": counters["loops"]
                }
        return {}
