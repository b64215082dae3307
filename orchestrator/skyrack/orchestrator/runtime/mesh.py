"""Keeps the fabric a little ahead of the orbits: segments every second, links and routes every epoch.

    run time ---|--------|--------|-----E--|--------|----->        | segment boundary   E epoch boundary (also a segment's)
                        now       sent up to now + LEAD_S

Geometry is computed in one worker thread; what the fabric is told holds from a stated instant on, so being early is exact.
Where orbit time turns - paused, another speed, a jump - what was told for later is recalled, and an epoch begins as at a start.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.clock import Clock, sleep_unless
from skyrack.orchestrator.fabric.client import FabricClient
from skyrack.orchestrator.fabric.wire import ROUTE_SLOTS, SEGMENT_SLOTS
from skyrack.orchestrator.routing.condition import AS_ALWAYS, Condition
from skyrack.orchestrator.routing.force_log import Way
from skyrack.orchestrator.routing.link_model import LinkModel, either
from skyrack.orchestrator.routing.views import News, Views
from skyrack.orchestrator.runtime.balance import Balance
from skyrack.orchestrator.runtime.numbering import LinkNumbering, NumberedEpoch
from skyrack.orchestrator.scenario import Scenario
from skyrack.orchestrator.timeline import Timeline
from skyrack.orchestrator.topology.disturbance import Disturbance
from skyrack.orchestrator.topology.epoch import Epoch
from skyrack.orchestrator.topology.failures import NO_FAILURES, Failures
from skyrack.orchestrator.topology.geometry import Geometry

LEAD_S = 2.0
BEHIND_S = 2.0
LONGEST_SEGMENT_S = 1.0
SHORTEST_SEGMENT_S = 0.1
SEGMENTS_AHEAD = SEGMENT_SLOTS - 2
EPOCHS_AHEAD = ROUTE_SLOTS // 2 - 2  # a reroute sends all of them once more
HOP_SLACK_S = 3e-4
REROUTE_MARGIN_S = 0.005
MARK_ALL = -1
SLOTS_FREE_S = 0.05  # a flood is over within a few of these
NO_CONDITIONS: Mapping[Way, Condition] = {}


@dataclass(frozen=True)
class Routed:
    """All links of an epoch with routes that avoid what has failed, and these as numbers of links."""

    epoch: Epoch
    table: NDArray[np.uint32]


@dataclass(frozen=True)
class ViewedRoutes:
    """Routes of an epoch: `at_first` when it begins, and later (mask, when each node adopts them, what it adopts)."""

    at_first: Routed
    later: list[tuple[int, NDArray[np.float64], Routed]]


@dataclass(frozen=True)
class Interval:
    """One segment to be sent: delays in force over [at_s, end_s) of run time, and the epoch when it begins here."""

    at_s: float
    end_s: float
    delay_s: NDArray[np.float64]  # per directed link
    slope: NDArray[np.float64]
    slack_s: float
    begins: NumberedEpoch | None
    routes: ViewedRoutes | None


class MeshDriver:
    """Feeds one fabric process. `in_force` hears of every epoch and reroute as (run_s, epoch).

    `adopted` hears of routes that nodes take up one by one, as (when each does, epoch). `conditions`: faults that act on
    links already; `failures`: what everybody knows to have failed.
    """

    def __init__(
        self,
        scenario: Scenario,
        geometry: Geometry,
        timeline: Timeline,
        fabric: FabricClient,
        clock: Clock,
        executor: Executor,
        capacity: int,
        in_force: Callable[[float, Epoch], None],
        adopted: Callable[[NDArray[np.float64], Epoch], None] = lambda when_s, epoch: None,
        conditions: Mapping[Way, Condition] = NO_CONDITIONS,
        failures: Failures = NO_FAILURES,
    ) -> None:
        self._geometry = geometry
        self._timeline = timeline
        self._fabric = fabric
        self._clock = clock
        self._executor = executor
        self._in_force = in_force
        self._adopted = adopted
        self._capacity = capacity
        self._links = scenario.links
        self._numbering = LinkNumbering(capacity)
        self._next_s = -math.inf
        self._turned = asyncio.Event()
        self._segments_s: deque[float] = deque(maxlen=SEGMENTS_AHEAD)  # begin of those sent last
        self._epoch: Epoch | None = None  # links of the newest epoch, as if no node were dark
        self._pairs = np.empty(0, np.int64)
        self._sent: list[tuple[float, Epoch]] = []  # epochs that are or will be in force
        self._views = Views(failures)
        self._model = LinkModel.of(scenario)
        self._conditions = dict(conditions)  # of directions of links, by faults
        # Shares of its rate that a direction has, by its number: from when on each, in order; 1 before the first.
        self._shares: dict[int, list[tuple[float, float]]] = {}
        self._made_s: dict[int, float] = {}  # when the fabric makes a pair's links
        # For which instants the fabric has been told what the disturbance does to ground links.
        self._disturbed_s: deque[float] = deque(maxlen=2 * SEGMENTS_AHEAD)
        self._balance = Balance(geometry) if scenario.routing.strategy == "load-aware" else None
        self._lock = asyncio.Lock()
        self._extra_s = self._extra_delays(scenario)

    async def run(self) -> None:
        """Feed the fabric until cancelled, beginning now."""
        while True:
            self._turned.clear()
            await sleep_unless(self._turned, self._clock, self._feed_at_s() - self._clock.run_s())
            if self._next_s < self._clock.run_s() - BEHIND_S:
                self._next_s = (
                    self._segment_start_s()
                )  # at first, or held up: what has passed needs no telling
            await self.feed_one()

    async def turn(self, at_s: float) -> None:
        """Another piece of the timeline begins at `at_s`, a moment from now: tell anew what comes from then on."""
        async with self._lock:
            self._fabric.recall(at_s)
            self._segments_s = deque(_until(at_s, self._segments_s), self._segments_s.maxlen)
            self._disturbed_s = deque(_until(at_s, self._disturbed_s), self._disturbed_s.maxlen)
            self._sent = [entry for entry in self._sent if entry[0] <= at_s]
            kept = {
                number: [step for step in steps if step[0] <= at_s] for number, steps in self._shares.items()
            }
            self._shares = {number: steps for number, steps in kept.items() if steps}
            self._make_recalled(at_s)
            self._epoch, self._next_s = None, at_s
            await self._feed()
        self._turned.set()

    def _make_recalled(self, at_s: float) -> None:
        """Links with numbers that were to be made after `at_s` are made then: numbers are in the order of making."""
        arrays, ids = self._fabric.arrays, list[int]()
        for pair in sorted(pair for pair, made_s in self._made_s.items() if made_s > at_s):
            for number in (2 * pair, 2 * pair + 1):
                self._describe(at_s, number, int(arrays["src"][number]), int(arrays["dst"][number]))
                ids.append(number)
            self._made_s[pair] = at_s
        self._fabric.set_links(at_s, ids)

    def _segment_start_s(self) -> float:
        """When the segment of this moment began."""
        now_s = self._clock.run_s()
        piece = self._timeline.piece_at(now_s)
        length_s = _segment_s(piece.speed)
        return max(0.0, piece.run_s, float(np.floor(now_s / length_s)) * length_s)

    def _feed_at_s(self) -> float:
        """When to send the next interval: a lead before it begins, but not before the fabric has a free slot for it."""
        segments, epochs = list(self._segments_s), [at_s for at_s, _ in self._sent]
        at_s = self._next_s - LEAD_S
        if len(segments) >= SEGMENTS_AHEAD:
            at_s = max(at_s, segments[-SEGMENTS_AHEAD])
        if len(epochs) >= EPOCHS_AHEAD:
            at_s = max(at_s, epochs[-EPOCHS_AHEAD])
        return at_s

    async def feed_one(self) -> None:
        """Compute and send the next interval."""
        async with self._lock:
            await self._feed()

    async def _feed(self) -> None:
        loop = asyncio.get_running_loop()
        if self._balance is not None and self._epoch_begins(self._next_s):
            await self._balance.measure(self._fabric)
        interval = await loop.run_in_executor(self._executor, self._compute, self._next_s)
        if interval.begins is not None:
            self._begin(interval.at_s, interval.begins)
        self._disturb(interval)
        self._segments_s.append(interval.at_s)
        self._fabric.set_segment(interval.at_s, interval.delay_s, interval.slope, interval.slack_s)
        if interval.routes is not None:
            self._set_routes(interval.at_s, interval.routes.at_first)
            self._adopt(interval.routes.later)
        self._next_s = interval.end_s

    async def set_failures(self, failures: Failures) -> None:
        """Everybody knows what has failed, from now on: in the epoch in force and in those already sent."""
        async with self._lock:
            if self._views != (views := Views(failures)):
                self._views = views
                await self._tell_again(MARK_ALL)

    async def hear(self, news: News) -> float:
        """News is on its way: each node changes its routes when it hears. How late, in seconds, the first of them is told.

        Computing may take longer than the news does: nobody is told of an instant that has passed.
        """
        async with self._lock:
            # So nobody heard before an epoch that has begun.
            learns_s = np.maximum(news.learns_s, self._soon_s())
            late_s = _put_off_s(news.learns_s, learns_s)
            self._views = self._views.hear(News(news.worse, news.better, learns_s))
            while True:
                try:
                    return late_s + await self._tell_again(1 << len(self._views.news) - 1)
                except RuntimeError:  # much has failed within moments: earlier views are still being adopted
                    await self._clock.sleep(SLOTS_FREE_S)

    async def unhear(self, part: Failures) -> None:
        """What was told to be lost ahead of time was back before anybody could miss it: nobody is to hear of it."""
        loop = asyncio.get_running_loop()
        async with self._lock:
            views = self._views.unhear(part)
            if views is self._views:
                return
            self._views = views
            for at_s, end_s, full in self._in_force_and_to_come():
                begins_s = max(at_s, self._soon_s())
                routes = await loop.run_in_executor(self._executor, self._routes, full, begins_s, end_s)
                while True:
                    try:
                        self._set_routes(max(begins_s, self._soon_s()), routes.at_first)
                        self._adopt(routes.later)
                        break
                    except RuntimeError:
                        await self._clock.sleep(SLOTS_FREE_S)

    def _in_force_and_to_come(self) -> list[tuple[float, float, Epoch]]:
        """Epochs that were sent, without those that are over: from when on, until when, their links."""
        now = self._clock.run_s()
        while len(self._sent) > 1 and self._sent[1][0] <= now:
            self._sent.pop(0)
        ends_s = [*(at_s for at_s, _ in self._sent[1:]), math.inf]
        return [(at_s, end_s, full) for (at_s, full), end_s in zip(self._sent, ends_s, strict=True)]

    async def _tell_again(self, mark: int) -> float:
        """Send the routes of epochs in force and to come anew; of the one in force what comes with news of `mark` alone.

        Returns by how much adoptions were put off because their instant had passed.
        """
        loop = asyncio.get_running_loop()
        now = self._clock.run_s()
        late_s = 0.0
        for at_s, end_s, full in self._in_force_and_to_come():
            if mark == MARK_ALL or at_s > now:
                routes = await loop.run_in_executor(self._executor, self._routes, full, at_s, end_s)
                self._set_routes(max(at_s, self._soon_s()), routes.at_first)
                later = routes.later
            else:
                later = await loop.run_in_executor(self._executor, self._later, full, at_s, end_s, mark)
            late_s = max(late_s, self._adopt(later))
        return late_s

    def _soon_s(self) -> float:
        """The earliest instant for which the fabric can still be told something."""
        return self._clock.run_s() + REROUTE_MARGIN_S

    def _routes(self, full: Epoch, at_s: float, end_s: float) -> ViewedRoutes:
        """The routes of an epoch in force over [at_s, end_s), for every node those of its view. Runs in the worker thread."""
        views = self._views
        masks = views.masks_at(at_s, self._geometry.n_nodes)
        kinds = np.unique(masks).tolist()
        first = self._avoiding(full, views.knowledge(kinds[0]))
        if len(kinds) > 1:
            next_hop = first.next_hop.copy()
            for mask in kinds[1:]:
                mine = masks == mask
                next_hop[:, mine] = self._avoiding(full, views.knowledge(mask)).next_hop[:, mine]
            first = replace(first, next_hop=next_hop)
        return ViewedRoutes(self._numbered(first), self._later(full, at_s, end_s))

    def _later(
        self, full: Epoch, at_s: float, end_s: float, mark: int = MARK_ALL
    ) -> list[tuple[int, NDArray[np.float64], Routed]]:
        """What nodes adopt in the course of an epoch, with news of `mark` alone. Runs in the worker thread."""
        return [
            (mask, when_s, self._numbered(self._avoiding(full, self._views.knowledge(mask))))
            for mask, when_s in self._views.changes(at_s, end_s)
            if mask & mark
        ]

    def _avoiding(self, full: Epoch, failures: Failures) -> Epoch:
        if failures == NO_FAILURES:
            return full
        if self._balance is not None:
            return self._balance.avoiding(full, failures)
        middle_s = (full.t0_s + full.t1_s) / 2.0
        return replace(full, next_hop=self._geometry.epoch(middle_s, failures).next_hop)

    def _numbered(self, epoch: Epoch) -> Routed:
        return Routed(epoch, self._numbering.translate(epoch))

    def _set_routes(self, at_s: float, routed: Routed) -> None:
        self._fabric.set_routes(at_s, routed.table)
        self._in_force(at_s, routed.epoch)

    def _adopt(self, later: Iterable[tuple[int, NDArray[np.float64], Routed]]) -> float:
        """Tell who adopts what when, nothing for an instant that has passed; returns how much that puts off."""
        late_s = 0.0
        for _, heard_s, routed in later:
            when_s = np.maximum(heard_s, self._soon_s())
            late_s = max(late_s, _put_off_s(heard_s, when_s))
            self._fabric.adopt_routes(when_s, routed.table)
            self._adopted(when_s, routed.epoch)
        return late_s

    @property
    def told(self) -> Failures:
        """What somebody knows to have failed, or soon will."""
        return self._views.knowledge((1 << len(self._views.news)) - 1)

    def set_conditions(self, at_s: float, changed: Mapping[Way, Condition]) -> None:
        """From `at_s` on faults make these directions of links so, all at one instant; links not in use yet keep it in mind."""
        told: dict[float, list[tuple[int, int, int]]] = {}  # by the instant from which on they are so
        to_be_made: list[tuple[float, int, int, int]] = []
        for (src, dst), condition in changed.items():
            if condition == AS_ALWAYS:
                self._conditions.pop((src, dst), None)
            else:
                self._conditions[src, dst] = condition
            pair = self._numbering.of(min(src, dst), max(src, dst))
            if pair is None or pair not in self._made_s:
                continue
            number, made_s = 2 * pair + (src > dst), self._made_s[pair]
            if made_s <= at_s:
                told.setdefault(at_s, []).append((number, src, dst))
            else:
                to_be_made.append((made_s, number, src, dst))
            # What was told of epochs to come was told without this.
            again_s = {begins_s for begins_s, _ in self._shares.get(number, ())}
            again_s |= set(self._disturbed_s) if self._radio(src, dst) else set()
            for begins_s in again_s:
                if begins_s > at_s and begins_s >= made_s:
                    told.setdefault(begins_s, []).append((number, src, dst))
        for begins_s in sorted(told):
            self._set_parameters(begins_s, told[begins_s], ahead=begins_s > at_s)
        for made_s, number, src, dst in to_be_made:  # as the memory says when it is made
            self._describe(made_s, number, src, dst)

    def pair_number(self, a: int, b: int) -> int | None:
        """The number of the pair of nodes in use, if it is."""
        return self._numbering.of(a, b)

    def _epoch_begins(self, at_s: float) -> bool:
        """Whether the interval of `at_s` is the first of an epoch."""
        return self._epoch is None or self._timeline.t_s(at_s) >= self._epoch.t1_s - 1e-6

    def _compute(self, at_s: float) -> Interval:
        """Runs in the worker thread; the lock keeps everybody else out."""
        geometry, piece = self._geometry, self._timeline.piece_at(at_s)
        t_s = piece.t_at(at_s)
        begins = routes = None
        if self._epoch_begins(at_s):
            self._epoch = geometry.epoch(t_s + 1e-6)
            if self._balance is not None:
                self._epoch = self._balance.begin(self._epoch)
            self._views = self._views.settled(at_s)
            begins = self._numbering.number(self._epoch)
            routes = self._routes(self._epoch, at_s, math.inf)
            self._pairs = begins.pairs
        epoch = self._epoch
        assert epoch is not None
        length_s = _segment_s(piece.speed)
        grid_s = (np.floor(at_s / length_s + 1e-6) + 1.0) * length_s
        end_s = min(float(grid_s), piece.run_at(epoch.t1_s))
        scale = 0.0 if self._links.zero_delay else 1.0
        before = geometry.delay_s(epoch.a, epoch.b, t_s) * scale
        after = geometry.delay_s(epoch.a, epoch.b, piece.t_at(end_s)) * scale
        slope = (after - before) / (end_s - at_s)
        # A directed link per entry; those not in force are dark.
        delays = np.full(2 * self._capacity, -1.0)
        slopes = np.zeros(2 * self._capacity)
        for side in (0, 1):
            delays[self._pairs * 2 + side] = before
            slopes[self._pairs * 2 + side] = slope
        for (a, b), extra_s in self._extra_s.items():
            if (pair := self._numbering.of(a, b)) is not None:
                for number in (2 * pair, 2 * pair + 1):
                    delays[number] += extra_s if delays[number] >= 0.0 else 0.0
        shortest = min(float(before.min()), float(after.min())) if len(before) else 0.0
        return Interval(at_s, end_s, delays, slopes, min(HOP_SLACK_S, shortest / 2), begins, routes)

    def _begin(self, at_s: float, numbered: NumberedEpoch) -> None:
        arrays = self._fabric.arrays
        ids: list[int] = []
        changed = self._take_shares(at_s, numbered)
        if numbered.fresh:
            place = {int(number): i for i, number in enumerate(numbered.pairs)}
            for pair in sorted(numbered.fresh):
                i = place[pair]
                a, b = int(numbered.links.a[i]), int(numbered.links.b[i])
                for number, (src, dst) in ((2 * pair, (a, b)), (2 * pair + 1, (b, a))):
                    arrays["src"][number], arrays["dst"][number] = src, dst
                    self._describe(at_s, number, src, dst)
                    ids.append(number)
                self._made_s[pair] = at_s
            self._fabric.set_links(at_s, ids)
        if changed:
            self._set_parameters(at_s, changed, ahead=True)
        now = self._clock.run_s()
        self._sent = [entry for i, entry in enumerate(self._sent) if self._still_needed(i, now)]
        self._sent.append((at_s, numbered.links))

    def _disturb(self, interval: Interval) -> None:
        """Tell when the disturbance of ground links begins and ends in an interval, and what they are like as an epoch begins.

        A link that begins to carry may have been told last in another disturbance, or be made while it is disturbed: the
        memory that it is made from may by then say what comes later.
        """
        disturbance, epoch = self._geometry.disturbance, self._epoch
        if disturbance is None or epoch is None:
            return
        piece = self._timeline.piece_at(interval.at_s)
        t0_s, t1_s = piece.t_at(interval.at_s), piece.t_at(interval.end_s)
        edges_s = [piece.run_at(edge_s) for edge_s in disturbance.edges_s(t0_s, t1_s)]
        ground = [
            direction
            for pair, a, b in zip(self._pairs.tolist(), epoch.a.tolist(), epoch.b.tolist(), strict=True)
            if self._radio(a, b)
            for direction in ((2 * pair, a, b), (2 * pair + 1, b, a))
        ]
        for at_s in sorted({*edges_s, *([] if interval.begins is None else [interval.at_s])}):
            self._set_parameters(at_s, ground, ahead=True)
            self._disturbed_s.append(at_s)

    def _radio(self, src: int, dst: int) -> bool:
        """Whether a link is one between a satellite and the ground."""
        return min(src, dst) < self._geometry.n_sat <= max(src, dst)

    def _disturbance_at(self, at_s: float, src: int, dst: int) -> Disturbance | None:
        """That of one direction of a link just after `at_s`, None where there is none."""
        disturbance = self._geometry.disturbance
        if disturbance is None or not self._radio(src, dst):
            return None
        return disturbance if disturbance.holds(self._timeline.t_s(at_s) + 1e-6) else None

    def _set_parameters(
        self, at_s: float, directions: Iterable[tuple[int, int, int]], *, ahead: bool
    ) -> None:
        """Of links that there are: (number, src, dst). `ahead`: where orbits have them so, and not faults."""
        ids = []
        for number, src, dst in directions:
            self._describe(at_s, number, src, dst)
            ids.append(number)
        self._fabric.set_parameters(at_s, ids, ahead=ahead)

    def _take_shares(self, at_s: float, numbered: NumberedEpoch) -> list[tuple[int, int, int]]:
        """Remember what share of its rate each direction has from this epoch on; those of links that go on with another."""
        links, fresh = numbered.links, frozenset(numbered.fresh)
        if links.share is None and not self._shares:
            return []
        share = np.ones((len(links.a), 2)) if links.share is None else links.share
        changed = []
        for pair, a, b, shares in zip(
            numbered.pairs.tolist(), links.a.tolist(), links.b.tolist(), share.tolist(), strict=True
        ):
            for side, (src, dst) in enumerate(((a, b), (b, a))):
                number = 2 * pair + side
                if self._share(number, math.inf) != shares[side]:
                    steps, now = self._shares.setdefault(number, []), self._clock.run_s()
                    while len(steps) > 1 and steps[1][0] <= now:
                        steps.pop(0)
                    steps.append((at_s, shares[side]))
                    if pair not in fresh:
                        changed.append((number, src, dst))
        return changed

    def _share(self, number: int, at_s: float) -> float:
        return next(
            (share for since_s, share in reversed(self._shares.get(number, ())) if since_s <= at_s), 1.0
        )

    def _describe(self, at_s: float, number: int, src: int, dst: int) -> None:
        """Write one direction's parameters into the memory, as scenario, weather at `at_s` and faults have them."""
        arrays, links = self._fabric.arrays, self._links
        condition = self._conditions.get((src, dst), AS_ALWAYS)
        ground = max(src, dst) >= self._geometry.n_sat
        # Weather and faults leave the memory as large as it is.
        queue_bytes = links.queue_limit_bytes(self._geometry.rates.of_bps(src, dst))
        share = self._share(number, at_s)
        s_per_byte = self._model.serialisation_s_per_byte(ground=ground, condition=condition, share=share)
        arrays["s_per_byte"][number] = s_per_byte
        arrays["queue_s"][number] = queue_bytes / links.byte_scale * s_per_byte
        disturbance = self._disturbance_at(at_s, src, dst)
        loss_ratio, extra_s = self._model.lost_ratio(condition), condition.extra_s
        if disturbance is not None:
            loss_ratio, extra_s = either(loss_ratio, disturbance.loss_ratio), extra_s + disturbance.extra_s
        arrays["loss_ratio"][number] = loss_ratio
        arrays["extra_s"][number] = -math.inf if condition.down else extra_s
        arrays["corrupt_ratio"][number] = condition.corrupt_ratio or 0.0

    def _still_needed(self, i: int, now_s: float) -> bool:
        """Whether the i-th sent epoch is in force or to come."""
        return i + 1 >= len(self._sent) or self._sent[i + 1][0] > now_s

    def _extra_delays(self, scenario: Scenario) -> dict[tuple[int, int], float]:
        index = self._geometry.index_of
        pairs = [(sorted((index(e.a), index(e.b))), e.extra_ms / 1e3) for e in scenario.links.extra_delay]
        return {(a, b): extra_s for (a, b), extra_s in pairs}


def _segment_s(speed: float) -> float:
    """How long a segment is: a second of orbit time, but for the bounds."""
    return min(LONGEST_SEGMENT_S, max(SHORTEST_SEGMENT_S, 1.0 / speed)) if speed else LONGEST_SEGMENT_S


def _until(last_s: float, instants_s: Iterable[float]) -> list[float]:
    return [at_s for at_s in instants_s if at_s <= last_s]


def _put_off_s(meant_s: NDArray[np.float64], told_s: NDArray[np.float64]) -> float:
    """By how much at most instants (n_nodes,) were put off; infinite ones are none."""
    some = np.isfinite(meant_s)
    return float((told_s[some] - meant_s[some]).max(initial=0.0))


def link_capacity(n_satellites: int, n_ground: int, n_fibre: int = 0) -> int:
    """Pairs of nodes that may be linked at once: lasers of any pattern, every satellite a station could see, fibre."""
    return max(1, 4 * n_satellites + n_ground * min(n_satellites, 512) + n_fibre)
