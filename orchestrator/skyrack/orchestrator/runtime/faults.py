"""Carries faults out: at each of the ledger's instants the fabric, the routes and the oracle are told what changes."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Mapping
from typing import Any

from skyrack.orchestrator.clock import Clock
from skyrack.orchestrator.faults.atlas import Atlas
from skyrack.orchestrator.faults.effect import Way
from skyrack.orchestrator.faults.fault import Fault
from skyrack.orchestrator.faults.kinds import KINDS
from skyrack.orchestrator.faults.ledger import Ledger
from skyrack.orchestrator.faults.problem import FaultProblem
from skyrack.orchestrator.faults.request import read_requests
from skyrack.orchestrator.routing.condition import Condition
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.feed import Feed
from skyrack.orchestrator.runtime.hands.enactor import Enactor
from skyrack.orchestrator.runtime.hands.hands import Hands
from skyrack.orchestrator.topology.geometry import Geometry

LEAD_S = 0.01  # the fabric hears of a change this long before it takes effect


class Faults:
    """Every fault of a run. `run` has to be running for those that begin or end by the clock."""

    def __init__(self, geometry: Geometry, feed: Feed, hands: Hands, events: EventLog, clock: Clock) -> None:
        self._names = geometry.names
        self._byte_scale = geometry.scenario.links.byte_scale
        self._atlas = _atlas(geometry)
        self._feed = feed
        self._events = events
        self._clock = clock
        self._hands = hands
        self._enactor = Enactor(hands, self._names, events.add)
        self._ledger = Ledger()
        self._entered = asyncio.Event()
        self._carried_out_s = 0.0  # the latest instant that has been told of

    async def run(self) -> None:
        """Step from instant to instant until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._enactor.run(), name="enactor")
            await self._follow_clock()

    async def let_go(self) -> None:
        """Of processes that faults hold, before they are asked to end."""
        await self._enactor.let_go()

    async def _follow_clock(self) -> None:
        while True:
            wait_s = self._ledger.next_s() - LEAD_S - self._clock.run_s()
            if wait_s <= 0.0:
                self._step()
                continue
            self._entered.clear()
            waits: list[asyncio.Task[Any]] = [asyncio.create_task(self._entered.wait(), name="fault-entered")]
            if wait_s < math.inf:
                waits.append(asyncio.create_task(self._clock.sleep(wait_s), name="fault-due"))
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in waits:
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await task

    def active(self) -> dict[str, int]:
        """How many faults of each kind act."""
        counts = dict.fromkeys(KINDS, 0)
        for fault in self._ledger.faults:
            counts[fault.draft.kind] += self._ledger.acts(fault.id)
        return counts

    @property
    def conditions(self) -> Mapping[Way, Condition]:
        """What faults make of directions of links."""
        return self._ledger.conditions

    def extra_s(self) -> Mapping[Way, float]:
        """What faults add to the delay of each direction of a link, where they add something."""
        return {way: c.extra_s for way, c in self._ledger.conditions.items() if c.extra_s}

    def darkening(self) -> list[tuple[str, float, tuple[str, ...]]]:
        """Faults that act and keep something dark: id, since when (run seconds), on what."""
        return [
            (fault.id, fault.since_s, fault.draft.target.words)
            for fault in self._ledger.faults
            if self._ledger.acts(fault.id) and fault.draft.kind in ("dark", "down")
        ]

    async def add(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Enter all faults of a request; those that begin now begin at one instant, `at_s`. Raises FaultProblem, Unknown."""
        requests = read_requests(body, self._atlas)
        for request in requests:
            why_not = self._hands.refusal(request.draft.kind, request.draft.target)
            if why_not is not None:
                raise FaultProblem(f"{request.draft.kind}: {why_not}")
        at_s = self._soon_s()
        added = [self._ledger.add(request.draft, at_s + request.in_s) for request in requests]
        self._carry_out(at_s)
        await self._enactor.settled(fault.id for fault in added)
        return {"at_s": at_s, "faults": await self._shown(added)}

    async def listed(self) -> dict[str, Any]:
        """Every fault that acts or is to act, with what the fabric says of the links."""
        return {"faults": await self._shown(self._ledger.faults)}

    def remove(self, fault_id: str | None) -> dict[str, Any]:
        """End one fault, or all without an id. Raises Unknown."""
        at_s = self._soon_s()
        ids = [fault.id for fault in self._ledger.faults] if fault_id is None else [fault_id]
        for one in ids:
            self._ledger.end(one, at_s)
        self._carry_out(at_s)
        return {"at_s": at_s, "removed": ids}

    def _soon_s(self) -> float:
        """The next instant at which something can take effect; never before one that has been carried out."""
        return max(self._clock.run_s() + LEAD_S, self._carried_out_s)

    def _carry_out(self, until_s: float) -> None:
        while self._ledger.next_s() <= until_s:
            self._step()
        self._entered.set()

    def _step(self) -> None:
        change = self._ledger.step()
        self._carried_out_s = max(self._carried_out_s, change.at_s)
        self._feed.apply(change.at_s, change.conditions, change.dark, change.lit)
        self._enactor.follow(change)
        for name, faults in (("fault_began", change.began), ("fault_ended", change.ended)):
            for fault in faults:
                draft = fault.draft
                self._events.add(
                    name,
                    run_s=change.at_s,
                    fault=fault.id,
                    kind=draft.kind,
                    on=list(draft.target.words),
                    cause=draft.cause,
                    **draft.values,
                )

    async def _shown(self, faults: list[Fault]) -> list[dict[str, Any]]:
        """The faults with what the fabric says of their links and nodes once all that it was told of holds."""
        ways = {way: None for fault in faults for way in fault.draft.target.ways}
        numbers = {way: number for way in ways if (number := self._number(way)) is not None}
        nodes = sorted({node for fault in faults for node in fault.draft.effect.dark})
        says = await self._fabric_says(list(numbers), list(numbers.values()), nodes)
        return [
            {
                "id": fault.id,
                "kind": fault.draft.kind,
                "on": list(fault.draft.target.words),
                **fault.draft.values,
                "since_s": fault.since_s,
                "until_s": fault.until_s if fault.until_s < math.inf else None,
                "acts": self._ledger.acts(fault.id),
                "cause": fault.draft.cause,
                "effects": self._enactor.effects(fault.id),
                "fabric": [
                    says[place]
                    for place in (*fault.draft.target.ways, *sorted(fault.draft.effect.dark))
                    if place in says
                ],
            }
            for fault in faults
        ]

    def _number(self, way: Way) -> int | None:
        pair = self._feed.pair_number(min(way), max(way))
        return None if pair is None else 2 * pair + (way[0] > way[1])

    async def _fabric_says(
        self, ways: list[Way], numbers: list[int], nodes: list[int]
    ) -> dict[Way | int, dict[str, Any]]:
        """By direction of a link or node; nothing of links that are not in use, and of none while there is no fabric."""
        fabric = self._feed.fabric
        if fabric is None:
            return {}
        try:
            values, lit = await fabric.read(max(self._carried_out_s, self._clock.run_s()), numbers, nodes)
        except (TimeoutError, ConnectionError):
            return {}
        says: dict[Way | int, dict[str, Any]] = {
            node: {"node": self._names[node], "lit": light} for node, light in zip(nodes, lit, strict=True)
        }
        for (src, dst), (s_per_byte, _, loss_ratio, extra_s) in zip(ways, values.tolist(), strict=True):
            if not math.isnan(s_per_byte):
                says[src, dst] = {
                    "from": self._names[src],
                    "to": self._names[dst],
                    "down": extra_s == -math.inf,
                    "extra_s": extra_s if extra_s > -math.inf else 0.0,
                    "rate_bps": 8.0 * self._byte_scale / s_per_byte,
                    "loss_ratio": loss_ratio,
                }
        return says


def _atlas(geometry: Geometry) -> Atlas:
    links, constellation = geometry.scenario.links, geometry.constellation
    fixed = (
        links.pattern == "plus-grid" and links.geo_relay is None and bool((constellation.plane >= 0).all())
    )
    lasers = [(int(a), int(b)) for a, b in constellation.grid_pairs.tolist()] if fixed else None
    n_sat, fibres = geometry.n_sat, geometry.fibres
    joined = [(n_sat + a, n_sat + b) for a, b in zip(fibres.a.tolist(), fibres.b.tolist(), strict=True)]
    return Atlas(geometry.names, n_sat, geometry.stations.n_radio, lasers, joined)
