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
from skyrack.orchestrator.faults.ledger import Ledger
from skyrack.orchestrator.faults.request import read_requests
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.feed import Feed
from skyrack.orchestrator.topology.geometry import Geometry

LEAD_S = 0.01  # the fabric hears of a change this long before it takes effect


class Faults:
    """Every fault of a run. `run` has to be running for those that begin or end by the clock."""

    def __init__(self, geometry: Geometry, feed: Feed, events: EventLog, clock: Clock) -> None:
        self._names = geometry.names
        self._byte_scale = geometry.scenario.links.byte_scale
        self._atlas = _atlas(geometry)
        self._feed = feed
        self._events = events
        self._clock = clock
        self._ledger = Ledger()
        self._entered = asyncio.Event()
        self._carried_out_s = 0.0  # the latest instant that has been told of

    async def run(self) -> None:
        """Step from instant to instant until cancelled."""
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
        counts: dict[str, int] = {}
        for fault in self._ledger.faults:
            if self._ledger.acts(fault.id):
                counts[fault.draft.kind] = counts.get(fault.draft.kind, 0) + 1
        return counts

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
        at_s = self._soon_s()
        added = [self._ledger.add(request.draft, at_s + request.in_s) for request in requests]
        self._carry_out(at_s)
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
        fabric = await self._fabric_says()
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
                "fabric": [
                    found
                    for way in fault.draft.target.ways
                    if (found := self._read_back(way, fabric)) is not None
                ],
            }
            for fault in faults
        ]

    async def _fabric_says(self) -> Mapping[str, list[float]] | None:
        """Every link's parameters, asked of the fabric once what has been told has taken effect."""
        await self._clock.sleep(self._carried_out_s + LEAD_S - self._clock.run_s())
        fabric = self._feed.fabric
        if fabric is None:
            return None
        with contextlib.suppress(TimeoutError, ConnectionError):
            parameters: Mapping[str, list[float]] = (await fabric.counters(links=True))["parameters"]
            return parameters
        return None

    def _read_back(self, way: Way, fabric: Mapping[str, list[float]] | None) -> dict[str, Any] | None:
        """What the fabric has for one direction of a link; None while the link is not in use."""
        pair = self._feed.pair_number(min(way), max(way))
        number = 2 * pair + (way[0] > way[1]) if pair is not None else 0
        if fabric is None or pair is None or not fabric["s_per_byte"][number]:
            return None
        extra_s = fabric["extra_s"][number]
        return {
            "from": self._names[way[0]],
            "to": self._names[way[1]],
            "down": extra_s == -math.inf,
            "extra_s": extra_s if extra_s > -math.inf else 0.0,
            "rate_bps": 8.0 * self._byte_scale / fabric["s_per_byte"][number],
            "loss_ratio": fabric["loss_ratio"][number],
        }


def _atlas(geometry: Geometry) -> Atlas:
    links, constellation = geometry.scenario.links, geometry.constellation
    fixed = (
        links.pattern == "plus-grid" and links.geo_relay is None and bool((constellation.plane >= 0).all())
    )
    lasers = [(int(a), int(b)) for a, b in constellation.grid_pairs.tolist()] if fixed else None
    return Atlas(geometry.names, geometry.n_sat, lasers)
