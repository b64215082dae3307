"""Carries faults out: at each of the ledger's instants the fabric, the routes and the oracle are told what changes."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from skyrack.orchestrator.clock import Clock, sleep_unless
from skyrack.orchestrator.environment.spells import Spells, spell_of
from skyrack.orchestrator.faults.atlas import Services
from skyrack.orchestrator.faults.campaign import draw
from skyrack.orchestrator.faults.effect import Way
from skyrack.orchestrator.faults.fault import Draft, Fault
from skyrack.orchestrator.faults.kinds import KINDS
from skyrack.orchestrator.faults.ledger import Ledger
from skyrack.orchestrator.faults.lot import Lot
from skyrack.orchestrator.faults.occurrence import Known, Occurrence
from skyrack.orchestrator.faults.plan import drafted, planned
from skyrack.orchestrator.faults.problem import FaultProblem, Unknown
from skyrack.orchestrator.faults.request import read_draft, read_requests
from skyrack.orchestrator.routing.condition import Condition
from skyrack.orchestrator.routing.cut import Cut
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.fault_journal import FaultJournal, Kept
from skyrack.orchestrator.runtime.feed import Feed
from skyrack.orchestrator.runtime.hands.enactor import Enactor
from skyrack.orchestrator.runtime.hands.hands import Hands
from skyrack.orchestrator.runtime.slips import Slips
from skyrack.orchestrator.scenario.campaigns import read_campaign
from skyrack.orchestrator.timeline import Timeline
from skyrack.orchestrator.topology.atlas import atlas_of
from skyrack.orchestrator.topology.geometry import Geometry

LEAD_S = 0.01  # the fabric hears of a change this long before it takes effect
UNDO_S = 0.05  # what ended while there was no orchestrator acts this long once more: what it left is found and undone


class Faults:
    """Every fault of a run. `run` has to be running for those that begin or end by the clock."""

    def __init__(
        self,
        geometry: Geometry,
        feed: Feed,
        hands: Hands,
        events: EventLog,
        clock: Clock,
        services: Callable[[], Services],
        journal: FaultJournal,
    ) -> None:
        self._names = geometry.names
        self._scenario = geometry.scenario
        self._byte_scale = geometry.scenario.links.byte_scale
        self._atlas = atlas_of(geometry, services)
        self._journal = journal
        self._campaigns = {campaign.name for campaign in geometry.scenario.faults.campaigns}
        self._resumed: set[str] = set()
        self.occurred: Mapping[str, Known] = {}  # that an orchestrator before this one has entered, by fault
        self._feed = feed
        self._events = events
        self._clock = clock
        self._hands = hands
        self._enactor = Enactor(hands, self._names, events.add, clock)
        self._ledger = Ledger()
        self._slips = Slips(feed, self._enactor, self._names)
        self._entered = asyncio.Event()
        self._source: dict[str, str] = {}  # of occurrences that are to begin
        self.came: Counter[tuple[str, str]] = Counter()  # occurrences that have begun, by source and kind
        self._radiating: dict[str, Fault] = {}  # storms and the like, also those that are over
        self.on_radiation: Callable[[], None] = lambda: None
        self._carried_out_s = 0.0  # the latest instant that has been told of

    def enter_plan(self) -> None:
        """Everything that the scenario has decided beforehand. Raises FaultProblem; nothing is entered then."""
        faults = planned(self._scenario.faults.timetable(), self._atlas, self._scenario.seed)
        for fault in faults:
            self._require_possible(fault.draft)
        added = [self._ledger.add(fault.draft, fault.at_s) for fault in faults]
        self._journal.entered(added)
        self._note_radiation(added)

    def go_on(self) -> None:
        """Take up the faults of an orchestrator that was there before: nothing is done twice that it has begun."""
        kept = self._journal.read()
        if kept is None:
            self.enter_plan()
            return
        self._ledger.give_on(fault.id for fault in kept)
        self.occurred = {fault.id: fault.occurrence for fault in kept if fault.occurrence is not None}
        now_s = self._soon_s()
        for fault in kept:
            at_once = fault.until_s == fault.since_s
            if fault.over or (fault.begun and at_once):
                continue
            if not fault.begun and fault.until_s < now_s:
                self._lost(fault, "its time has passed while there was no orchestrator")
                continue
            try:
                draft = read_draft(fault.entry, self._atlas, Lot(self._scenario.seed, fault.id))
            except (FaultProblem, Unknown) as problem:
                self._lost(fault, str(problem))
                continue
            since_s = max(fault.since_s, now_s)
            lasts_s = 0.0 if at_once else max(fault.until_s - since_s, UNDO_S)
            restored = Fault(fault.id, draft, since_s, since_s + lasts_s)
            self._ledger.restore(restored)
            if fault.occurrence is None:
                self._note_radiation([restored])
            if fault.begun:
                self._resumed.add(fault.id)

    def _lost(self, fault: Kept, reason: str) -> None:
        self._journal.over([fault.id])
        self._events.add("fault_failed", fault=fault.id, kind=fault.entry.get("kind"), reason=reason)

    async def run(self) -> None:
        """Step from instant to instant until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._expect([fault.draft for fault in self._ledger.faults]), name="hands")
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
            await sleep_unless(self._entered, self._clock, wait_s)

    def fabric_down(self) -> None:
        """Packets that it was to hit will not come to it."""
        self._slips.fabric_down()

    def active(self) -> dict[str, int]:
        """How many faults of each kind act."""
        counts = dict.fromkeys(KINDS, 0)
        for fault in self._ledger.begun:
            counts[fault.draft.kind] += 1
        return counts

    @property
    def failures(self) -> Mapping[str, int]:
        """What could not be done or undone, by kind."""
        return self._enactor.failures

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
            for fault in self._ledger.begun
            if fault.draft.effect.dark or fault.draft.kind in ("down", "flap")
        ]

    async def add(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Enter all faults of a request; those that begin now begin at one instant, `at_s`. Raises FaultProblem, Unknown."""
        given, seed = self._ledger.given, self._scenario.seed
        requests = read_requests(body, self._atlas, lambda index: Lot(seed, "request", given + index))
        for request in requests:
            self._require_possible(request.draft)
        await self._expect(request.draft for request in requests)
        at_s = self._soon_s()
        return await self._add([(request.draft, at_s + request.in_s) for request in requests], at_s)

    async def add_campaign(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Draw a campaign whose times count from now, and enter its faults. Raises FaultProblem, Unknown."""
        campaign = read_campaign(body)
        if campaign.name in self._campaigns:
            raise FaultProblem(
                f"there is a campaign called {campaign.name!r} already, and it would draw the same"
            )
        faults = draw(campaign, self._atlas, self._scenario.seed)
        for fault in faults:
            self._require_possible(fault.draft)
        self._campaigns.add(campaign.name)
        await self._expect(fault.draft for fault in faults)
        at_s = self._soon_s()
        return await self._add([(fault.draft, at_s + fault.at_s) for fault in faults], at_s)

    def _require_possible(self, draft: Draft) -> None:
        """Raises FaultProblem with why this runtime cannot do it."""
        why_not = self._hands.refusal(draft.kind, draft.target)
        if why_not is not None:
            raise FaultProblem(f"{draft.kind}: {why_not}")

    async def _expect(self, drafts: Iterable[Draft]) -> None:
        """Get ready for them what takes time to be."""
        for draft in list(drafts):
            await self._hands.expect(draft.kind, draft.target)

    async def _add(self, drafts: Sequence[tuple[Draft, float]], at_s: float) -> dict[str, Any]:
        added = [self._ledger.add(draft, since_s) for draft, since_s in drafts]
        self._journal.entered(added)
        self._note_radiation(added)
        self._carry_out(at_s)
        await self._enactor.settled(fault.id for fault in added)
        return {"at_s": at_s, "faults": await self._shown(added)}

    async def foresee(self, occurrence: Occurrence) -> Draft:
        """What an occurrence will be; what takes time to be is got ready. Raises FaultProblem, Unknown."""
        draft = drafted(occurrence, self._atlas, self._scenario.seed)
        self._require_possible(draft)
        await self._expect([draft])
        return draft

    def enter(self, draft: Draft, since_s: float, until_s: float, known: Known) -> str:
        """Enter an occurrence that is due or, at the start of a run, was; the fault's id."""
        since_s = max(since_s, self._carried_out_s)
        fault = self._ledger.add(replace(draft, for_s=max(until_s, since_s) - since_s), since_s)
        self._journal.entered([fault], known)
        self._source[fault.id] = known.source
        self._entered.set()
        return fault.id

    def until(self, fault_id: str, until_s: float) -> None:
        """Let a fault that lasts in orbit time end at another instant, now at the earliest; nothing if it is over."""
        if self._ledger.has(fault_id):
            until_s = max(until_s, self._soon_s())
            self._ledger.until(fault_id, until_s)
            self._journal.ended(fault_id, until_s)
            self._entered.set()

    def spells(self, timeline: Timeline) -> Spells:
        """What is known of storms, and of stays over the anomaly that somebody has ordered: orbits have their own."""
        found = (
            spell_of(fault.draft.effect, timeline.t_s(fault.since_s), _t_s(timeline, fault.until_s))
            for fault in self._radiating.values()
        )
        return Spells(spell for spell in found if spell is not None)

    def _note_radiation(self, faults: Iterable[Fault]) -> None:
        radiating = {f.id: f for f in faults if f.draft.effect.radiation or f.draft.effect.anomaly}
        if radiating:
            self._radiating |= radiating
            self.on_radiation()

    def is_there(self, fault_id: str) -> bool:
        """Whether a fault acts or is to act."""
        return self._ledger.has(fault_id)

    def storm(self, nodes: Sequence[int]) -> list[float]:
        """By how much storms multiply the rates of upsets at nodes now; 1 without one."""
        return [self._ledger.radiation.get(node, 1.0) for node in nodes]

    def acting(self) -> dict[str, Any]:
        """For the run's status: those that act, in short, and how many are to come."""
        acting = self._ledger.begun
        return {
            "acting": [
                {"id": f.id, "kind": f.draft.kind, "on": list(f.draft.target.words), "cause": f.draft.cause}
                for f in acting
            ],
            "coming": len(self._ledger.faults) - len(acting),
        }

    async def listed(self) -> dict[str, Any]:
        """Every fault that acts or is to act, with what the fabric says of the links."""
        return {"faults": await self._shown(self._ledger.faults)}

    def remove(self, fault_id: str | None) -> dict[str, Any]:
        """End one fault, or all without an id. Raises Unknown."""
        at_s = self._soon_s()
        ids = [fault.id for fault in self._ledger.faults] if fault_id is None else [fault_id]
        for one in ids:
            fault = self._ledger.end(one, at_s)
            if fault.since_s > at_s:
                self._journal.over([one])
            else:
                self._journal.ended(one, at_s)
            if one in self._radiating:
                self._note_radiation([replace(fault, until_s=at_s)])
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
        self._journal.begun(fault.id for fault in change.began)
        self._carried_out_s = max(self._carried_out_s, change.at_s)
        self._feed.apply(change.at_s, change.conditions, change.dark, change.lit, change.cuts)
        self._enactor.follow(change)
        self.came.update((self._source.pop(f.id), f.draft.kind) for f in change.began if f.id in self._source)
        self._slips.follow(change)
        self._journal.over(fault.id for fault in change.ended)
        for name, faults in (("fault_began", change.began), ("fault_ended", change.ended)):
            for fault in faults:
                draft = fault.draft
                self._events.add(
                    "fault_resumed" if name == "fault_began" and fault.id in self._resumed else name,
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
        cuts = list(dict.fromkeys(cut for fault in faults for cut in fault.draft.effect.cuts))
        says = await self._fabric_says(numbers, nodes, cuts)
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
                "fabric": [says[place] for place in _places(fault) if place in says],
            }
            for fault in faults
        ]

    def _number(self, way: Way) -> int | None:
        pair = self._feed.pair_number(min(way), max(way))
        return None if pair is None else 2 * pair + (way[0] > way[1])

    async def _fabric_says(
        self, numbers: Mapping[Way, int], nodes: list[int], cuts: list[Cut]
    ) -> dict[Way | int | Cut, dict[str, Any]]:
        """By direction of a link, node or cut; nothing of links that are not in use, and of none while there is no fabric."""
        fabric = self._feed.fabric
        if fabric is None:
            return {}
        try:
            values, lit, cut_ways = await fabric.read(
                max(self._carried_out_s, self._clock.run_s()),
                list(numbers.values()),
                nodes,
                [(cut.sources, cut.targets) for cut in cuts],
            )
        except (TimeoutError, ConnectionError):
            return {}
        says: dict[Way | int | Cut, dict[str, Any]] = {
            node: {"node": self._names[node], "lit": light} for node, light in zip(nodes, lit, strict=True)
        }
        for cut, count in zip(cuts, cut_ways, strict=True):
            says[cut] = {
                "from": [self._names[node] for node in sorted(cut.sources)],
                "to": [self._names[node] for node in sorted(cut.targets)],
                "ways": len(cut.sources) * len(cut.targets),
                "cut": count,
            }
        for (src, dst), row in zip(numbers, values.tolist(), strict=True):
            s_per_byte, _, loss_ratio, extra_s, corrupt_ratio = row
            if not math.isnan(s_per_byte):
                says[src, dst] = {
                    "from": self._names[src],
                    "to": self._names[dst],
                    "down": extra_s == -math.inf,
                    "extra_s": extra_s if extra_s > -math.inf else 0.0,
                    "rate_bps": 8.0 * self._byte_scale / s_per_byte,
                    "loss_ratio": loss_ratio,
                    "corrupt_ratio": corrupt_ratio,
                }
        return says


def _t_s(timeline: Timeline, run_s: float) -> float:
    return timeline.t_s(run_s) if run_s < math.inf else math.inf


def _places(fault: Fault) -> list[Way | int | Cut]:
    """What the fabric is asked about."""
    effect = fault.draft.effect
    return [*fault.draft.target.ways, *sorted(effect.dark), *effect.cuts]
