"""Carries faults out: at each of the ledger's instants the fabric, the routes and the oracle are told what changes.

requests, campaigns, plan --.
occurrences, journal -------+-- drafts --> Faults --> ledger (pure) --instant by instant--> feed, enactor, slips
                                             |                              '-------------> record: journal, events
                                             '--> announcements, storms     '-------------> view: API, status, metrics
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from skyrack.orchestrator.clock import Clock, sleep_unless
from skyrack.orchestrator.environment.passes import BY_ORBIT
from skyrack.orchestrator.faults.fault import Draft, Fault
from skyrack.orchestrator.faults.gone import Gone, matters
from skyrack.orchestrator.faults.hold import Place, place_name
from skyrack.orchestrator.faults.ledger import Change, Ledger
from skyrack.orchestrator.faults.occurrence import Known, Occurrence
from skyrack.orchestrator.faults.problem import FaultProblem, Unknown
from skyrack.orchestrator.runtime.announcements import Announcements, in_s
from skyrack.orchestrator.runtime.befallen import Befallen
from skyrack.orchestrator.runtime.fault_drafts import Drafts
from skyrack.orchestrator.runtime.fault_record import FaultRecord
from skyrack.orchestrator.runtime.fault_resumption import is_done, resumed
from skyrack.orchestrator.runtime.fault_view import FaultView
from skyrack.orchestrator.runtime.feed import Feed
from skyrack.orchestrator.runtime.hands.enactor import Enactor
from skyrack.orchestrator.runtime.hands.hands import Hands
from skyrack.orchestrator.runtime.slips import Slips
from skyrack.orchestrator.runtime.storms import Storms
from skyrack.orchestrator.timeline import Timeline
from skyrack.orchestrator.topology.geometry import Geometry

LEAD_S = 0.01  # the fabric hears of a change this long before it takes effect


class Faults:
    """Every fault of a run. `run` has to be running for those that begin or end by the clock.

    `drafts` says what they are, `feed` and `hands` carry them out, `record` is written. `on_gone` hears that others are
    lost or retired than before.
    """

    def __init__(
        self,
        geometry: Geometry,
        drafts: Drafts,
        record: FaultRecord,
        feed: Feed,
        hands: Hands,
        timeline: Timeline,
        clock: Clock,
    ) -> None:
        names, byte_scale = geometry.names, geometry.scenario.links.byte_scale
        self._names = names
        self._drafts = drafts
        self._feed = feed
        self._hands = hands
        self._record = record
        self._timeline = timeline
        self._clock = clock
        self._ledger = Ledger(timeline.speed_at)
        self._enactor = Enactor(hands, names, record.events.add, clock)
        self._slips = Slips(feed, self._enactor, names)
        self._announcements = Announcements(feed)
        self._entered = asyncio.Event()
        self._carried_out_s = 0.0  # the latest instant that has been told of
        self.befallen = Befallen()
        self.storms = Storms(timeline)
        self.gone = Gone()
        self.on_gone: Callable[[], None] = lambda: None
        self.view = FaultView(self._ledger, self._enactor, feed, clock, names, byte_scale)

    def enter_plan(self) -> None:
        """Everything that the scenario has decided beforehand. Raises FaultProblem; nothing is entered then."""
        faults = self._drafts.plan()
        self._require_possible(fault.draft for fault in faults)
        self._enter((fault.draft, fault.at_s) for fault in faults)

    def go_on(self) -> None:
        """Take up the faults of an orchestrator that was there before: nothing is done twice that it has begun."""
        kept = self._record.kept()
        if kept is None:
            self.enter_plan()
            return
        self._ledger.give_on(fault.id for fault in kept)
        self.befallen.go_on(kept)
        now_s = self._soon_s()
        for fault in kept:
            if is_done(fault):
                continue
            try:
                restored = resumed(fault, self._drafts.kept, now_s)
            except (FaultProblem, Unknown) as problem:
                self._record.lost(fault, str(problem))
                continue
            self._ledger.restore(restored)
            if fault.occurrence is None:
                self.storms.note([restored])
            if fault.begun:
                self._record.resumed(fault)

    async def run(self) -> None:
        """Step from instant to instant until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._expect([fault.draft for fault in self._ledger.faults]), name="hands")
            tasks.create_task(self._enactor.run(), name="enactor")
            await self._follow_clock()

    async def _follow_clock(self) -> None:
        while True:
            now_s = self._clock.run_s()
            wait_s = self._ledger.next_s() - LEAD_S - now_s
            if wait_s <= 0.0:
                self._step()
                continue
            announce_s = self._announcements.next_s()
            if announce_s <= now_s:
                self._announcements.make()
                continue
            self._entered.clear()
            await sleep_unless(self._entered, self._clock, min(wait_s, announce_s - now_s))

    def absent(self, nodes: Iterable[int]) -> None:
        """Nothing runs at these nodes yet, whatever faults do meanwhile: before `run`, and until `appear`."""
        self._enactor.absent((node, "") for node in nodes)

    def appear(self, nodes: Iterable[int]) -> None:
        """Have their processes start, but for those of nodes that a fault keeps off."""
        self._enactor.appear((node, "") for node in nodes)

    async def let_go(self) -> None:
        """Of processes that faults hold, before they are asked to end."""
        await self._enactor.let_go()

    def fabric_down(self) -> None:
        """Packets that it was to hit will not come to it."""
        self._slips.fabric_down()

    # What people and programs ask for

    async def add(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Enter all faults of a request; those that begin now begin at one instant, `at_s`. Raises FaultProblem, Unknown."""
        requests = self._drafts.asked(body, self._ledger.given)
        self._require_possible(request.draft for request in requests)
        await self._expect([request.draft for request in requests])
        return await self._begin([(request.draft, in_s(request)) for request in requests])

    async def add_campaign(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Draw a campaign whose times count from now, and enter its faults. Raises FaultProblem, Unknown."""
        name, faults = self._drafts.campaign(body)
        self._require_possible(fault.draft for fault in faults)
        self._drafts.drawn(name)
        await self._expect([fault.draft for fault in faults])
        return await self._begin([(fault.draft, fault.at_s) for fault in faults])

    async def listed(self) -> dict[str, Any]:
        """Every fault that acts or is to act, with what the fabric says of the links."""
        return {"faults": await self.view.shown(self._ledger.faults, self._carried_out_s)}

    def remove(self, fault_id: str | None) -> dict[str, Any]:
        """End one fault, or all without an id. Raises Unknown."""
        at_s = self._soon_s()
        ids = [fault.id for fault in self._ledger.faults] if fault_id is None else [fault_id]
        for one in ids:
            fault = self._ledger.end(one, at_s)
            if fault.since_s > at_s:
                self._record.never(one)
                self._announcements.take_back(one)
            else:
                self._record.until(one, at_s)
            self.storms.end(one, at_s)
        self._carry_out(at_s)
        return {"at_s": at_s, "removed": ids}

    async def _begin(self, drafts: Sequence[tuple[Draft, float]]) -> dict[str, Any]:
        """Enter drafts, each so many seconds from the next instant on; what came of those that begin there."""
        at_s = self._soon_s()
        added = self._enter((draft, at_s + in_s) for draft, in_s in drafts)
        self._carry_out(at_s)
        await self._enactor.settled(fault.id for fault in added)
        return {"at_s": at_s, "faults": await self.view.shown(added, self._carried_out_s)}

    def _enter(self, drafts: Iterable[tuple[Draft, float]], known: Known | None = None) -> list[Fault]:
        """Drafts and the instants at which they begin; `known`: of an occurrence."""
        added = [self._ledger.add(draft, since_s) for draft, since_s in drafts]
        for fault in added:
            self._announcements.expect(fault)
        self._record.entered(added, known)
        # An occurrence is nothing that radiation has not drawn, or orbits do not say, already.
        if known is None:
            self.storms.note(added)
        return added

    def _require_possible(self, drafts: Iterable[Draft]) -> None:
        """Raises FaultProblem with why this runtime cannot do one of them."""
        for draft in drafts:
            if draft.kind == "repair":
                self._require_repairable(draft)
            if (why_not := self._hands.refusal(draft.kind, draft.target)) is not None:
                raise FaultProblem(f"{draft.kind}: {why_not}")

    def _require_repairable(self, draft: Draft) -> None:
        for other in self._ledger.begun:
            gone = set(other.draft.target.nodes) & set(draft.target.nodes)
            if other.draft.kind == "retire" and gone:
                name = self._names[min(gone)]
                raise FaultProblem(f"repair: {name} is retired by fault {other.id}: nothing brings it back")

    async def _expect(self, drafts: Sequence[Draft]) -> None:
        """Get ready for them what takes time to be."""
        for draft in drafts:
            await self._hands.expect(draft.kind, draft.target)

    # What orbit time brings (`occurrences.Entering`)

    async def foresee(self, occurrence: Occurrence) -> Draft:
        """What an occurrence will be; what takes time to be is got ready. Raises FaultProblem, Unknown."""
        draft = self._drafts.befalling(occurrence)
        self._require_possible([draft])
        await self._expect([draft])
        return draft

    def enter(self, draft: Draft, since_s: float, until_s: float, known: Known) -> str:
        """Enter an occurrence that is due or, at the start of a run, was; the fault's id."""
        since_s = max(since_s, self._carried_out_s)
        (fault,) = self._enter([(replace(draft, for_s=max(until_s, since_s) - since_s), since_s)], known)
        self.befallen.entered(fault, known)
        self._entered.set()
        return fault.id

    def until(self, fault_id: str, until_s: float) -> None:
        """Let a fault that lasts in orbit time end at another instant, now at the earliest; nothing if it is over."""
        if self._ledger.has(fault_id):
            until_s = max(until_s, self._soon_s())
            self._ledger.until(fault_id, until_s)
            self._record.until(fault_id, until_s)
            self._entered.set()

    def is_there(self, fault_id: str) -> bool:
        """Whether a fault acts or is to act."""
        return self._ledger.has(fault_id)

    # Instant by instant

    def _soon_s(self) -> float:
        """The next instant at which something can take effect; never before one that has been carried out."""
        return max(self._clock.run_s() + LEAD_S, self._carried_out_s)

    def _carry_out(self, until_s: float) -> None:
        while self._ledger.next_s() <= until_s:
            self._step()
        self._entered.set()

    def _step(self) -> None:
        change = self._ledger.step()
        self._record.begin(change)
        self._carried_out_s = max(self._carried_out_s, change.at_s)
        self._feed.apply(change.at_s, change.conditions, change.dark, change.lit, change.cuts)
        self._enactor.follow(change)
        self._slips.follow(change)
        self.storms.follow(change)
        self._notice_gone(change)
        self.befallen.began(change.began)
        for fault in change.ended:
            self._announcements.over(fault.id)
        self._record.done(change)
        self._reword(change)

    def _notice_gone(self, change: Change) -> None:
        touched = *change.began, *change.ended, *(after for _, after, _ in (*change.staged, *change.mended))
        if any(matters(fault.draft) for fault in touched) and self.gone.follow(
            self._ledger.begun, self._timeline.t_s(change.at_s)
        ):
            self._end_stays(change.at_s)
            self.on_gone()

    def _end_stays(self, at_s: float) -> None:
        """Who is gone is over the anomaly no more."""
        for fault in self._ledger.begun:
            over = fault.draft.effect.anomaly
            if fault.draft.cause == BY_ORBIT and over and over <= self.gone.now.keys():
                self.until(fault.id, at_s)

    def _reword(self, change: Change) -> None:
        """Who has been mended at some nodes is known by those that are left from now on."""
        for _, after, _ in change.mended:
            if not after.draft.effect.nothing and after not in change.ended:
                left = tuple(place_name(place, self._names) for place in _left(after))
                self._record.entered([self._ledger.reword(after.id, left)])


def _left(fault: Fault) -> list[Place]:
    """What a fault keeps dark or holds something at, as places, whole nodes where they are."""
    holds = fault.draft.effect.holds
    bare = fault.draft.effect.dark - {node for node, _ in holds}
    return sorted({*holds, *((node, "") for node in bare)})
