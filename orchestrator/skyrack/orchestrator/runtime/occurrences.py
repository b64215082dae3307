"""Occurrences become faults when orbit time reaches them, however the clock is told to go.

    sources --ahead of time--> waiting, by orbit time --LEAD_S before it is due--> Faults --> the ledger, and all that follows

Nothing that waits has a run time: what the timeline says is asked anew whenever it has changed. So none comes while orbit
time stands still, another speed takes effect at once, and a jump leaves out what it jumps over; that is counted. What an
occurrence does ends by orbit time too.
"""

from __future__ import annotations

import asyncio
import math
from bisect import insort
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ParamSpec, Protocol, TypeVar

from skyrack.orchestrator.clock import Clock, sleep_unless
from skyrack.orchestrator.faults.fault import Draft
from skyrack.orchestrator.faults.kinds import KINDS
from skyrack.orchestrator.faults.occurrence import Known, Lasting, Occurrence, Source, count, known_of
from skyrack.orchestrator.faults.problem import FaultProblem, Unknown
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.timeline import Piece, Timeline

LEAD_S = 0.09  # a fault is entered this long before it begins: the clock announces a change a moment earlier than that
AHEAD_S = 20.0  # real seconds that are drawn ahead; when half of them are left, the next are
SOONEST_S = 1e-4  # the shortest wait, where rounding would make it none
COUNTED_AT_ONCE_S = (
    4 * 86_400.0
)  # of orbit time that was left out: less than a second of one CPU for 66 satellites

Span = tuple[float, float]  # of orbit time
P = ParamSpec("P")
T = TypeVar("T")


class Entering(Protocol):
    """What `Faults` does for occurrences."""

    async def foresee(self, occurrence: Occurrence) -> Draft:
        """Raises FaultProblem, Unknown."""

    def enter(self, draft: Draft, since_s: float, until_s: float, known: Known) -> str:
        """The fault's id."""

    def until(self, fault_id: str, until_s: float) -> None:
        """Let a fault end at another instant."""

    def is_there(self, fault_id: str) -> bool:
        """Whether a fault acts or is to act."""


@dataclass(slots=True)
class _Stream:
    """A source, of which everything before `drawn_t_s` has been drawn; `draws` tells what was said from what is."""

    source: Source
    drawn_t_s: float = 0.0
    draws: int = 0


@dataclass(frozen=True, slots=True)
class _Waiting:
    """`draft`: what it will be, or why it cannot be."""

    known: Known
    kind: str
    draft: Draft | str


class Occurrences:
    """What befalls nodes by orbit time. `run` has to be running. `skipped`: by kind, how many were left out.

    `before`: what an orchestrator before this one has entered, by fault; None where there was none.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        timeline: Timeline,
        faults: Entering,
        events: EventLog,
        clock: Clock,
        *,
        before: Mapping[str, Known] | None = None,
    ) -> None:
        self._streams = [_Stream(source) for source in sources]
        self._timeline = timeline
        self._faults = faults
        self._events = events
        self._clock = clock
        self._waiting: list[_Waiting] = []  # by orbit time
        self._entered_t_s = (
            0.0  # what was drawn and comes before has been entered, is about to be, or was left out
        )
        self._gaps: list[Span] = []  # that were jumped over, or will be
        self._landings: list[float] = [0.0] if before is None else []  # who is under way then has to be found
        self._lasting: dict[str, Known] = {}  # faults that end by orbit time
        self._left_out: asyncio.Queue[tuple[Span, str]] = asyncio.Queue()
        self._reading = asyncio.Lock()  # sources keep what they have worked out
        self._changed = asyncio.Event()
        self._last = timeline.pieces[-1]
        self._since_s = 0.0 if before is None else clock.run_s()  # nothing is entered as of before
        self.skipped: Counter[str] = Counter(dict.fromkeys(KINDS, 0))
        if before is not None:
            self._go_on(before)
        timeline.listen(self._hear)

    async def run(self) -> None:
        """Draw, enter, wait, until cancelled."""
        if not self._streams:
            return
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._count(), name="occurrences-skipped")
            while True:
                self._changed.clear()
                if await self._draw():
                    self._enter_due()
                    await self._wait()

    def draw_anew(self) -> None:
        """What sources say of the time to come may not be what they said; what is due by now stays."""
        due_t_s = self._timeline.t_s(self._clock.run_s() + LEAD_S)
        self._entered_t_s = max(self._entered_t_s, due_t_s)
        for stream in self._streams:
            stream.draws += 1
            stream.drawn_t_s = min(stream.drawn_t_s, self._entered_t_s)
        self._waiting = [one for one in self._waiting if one.known.t_s < self._entered_t_s]
        self._changed.set()

    def _go_on(self, known: Mapping[str, Known]) -> None:
        """After another orchestrator: what came while there was none is left out, what acts still ends by orbit time."""
        self._lasting = {name: one for name, one in known.items() if one.for_t_s is not None}
        last_t_s = max((math.nextafter(one.t_s, math.inf) for one in known.values()), default=0.0)
        now_t_s = self._timeline.t_s(self._clock.run_s() + LEAD_S)
        self._leave_out((max(last_t_s, self._last.t_s), now_t_s), "no orchestrator")
        self._entered_t_s = now_t_s
        for stream in self._streams:
            stream.drawn_t_s = now_t_s

    def _hear(self, piece: Piece) -> None:
        """The timeline has changed: what is jumped over does not come, what acts ends at another run time."""
        before_t_s, self._last = self._last.t_at(piece.run_s), piece
        if piece.t_s > before_t_s:
            self._leave_out((max(before_t_s, self._entered_t_s), piece.t_s), "jump")
        for fault_id, known in self._lasting.items():
            self._faults.until(fault_id, self._timeline.run_s(_end_t_s(known)))
        self.draw_anew()  # storms last in run time

    def _leave_out(self, gap: Span, reason: str) -> None:
        first_t_s, last_t_s = gap
        if last_t_s > first_t_s:
            self._gaps.append(gap)
            self._landings.append(last_t_s)
            self._waiting = [one for one in self._waiting if not first_t_s <= one.known.t_s < last_t_s]
            self._left_out.put_nowait((gap, reason))

    async def _draw(self) -> bool:
        """What comes next of every source; whether what was drawn still is so."""
        while self._landings:
            for stream in self._streams:
                if isinstance(stream.source, Lasting):
                    found = await self._read(stream.source.under_way, self._landings[0])
                    await self._take(stream, found)
            del self._landings[0]
        now_s = self._clock.run_s()
        soon_t_s, far_t_s = (self._timeline.t_s(now_s + ahead_s) for ahead_s in (AHEAD_S / 2, AHEAD_S))
        for stream in self._streams:
            if stream.drawn_t_s > soon_t_s or stream.drawn_t_s >= far_t_s:
                continue
            draws = stream.draws
            for first_t_s, last_t_s in self._but_gaps(stream.drawn_t_s, far_t_s):
                found = await self._read(stream.source.between, first_t_s, last_t_s)
                if not await self._take(stream, [one for one in found if not self._in_gap(one.t_s)], draws):
                    return False
            stream.drawn_t_s = far_t_s
        drawn_t_s = min(stream.drawn_t_s for stream in self._streams)
        self._gaps = [gap for gap in self._gaps if gap[1] > min(drawn_t_s, self._entered_t_s)]
        return not self._landings

    async def _read(self, ask: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        async with self._reading:
            return await asyncio.to_thread(ask, *args, **kwargs)

    async def _take(self, stream: _Stream, found: Sequence[Occurrence], draws: int | None = None) -> bool:
        """Have them wait, unless the source has been drawn anew meanwhile."""
        waiting: list[_Waiting] = []
        for one in found:
            known = known_of(stream.source.name, one)
            try:
                draft: Draft | str = await self._faults.foresee(one)
            except (FaultProblem, Unknown) as problem:
                draft = str(problem)
            waiting.append(_Waiting(known, one.entry["kind"], draft))
        if draws is not None and stream.draws != draws:
            return False
        there = {*self._lasting.values(), *(one.known for one in self._waiting)}
        for entered in waiting:
            if entered.known not in there:
                insort(self._waiting, entered, key=lambda one: one.known.t_s)
        return True

    def _enter_due(self) -> None:
        due_t_s = self._timeline.t_s(self._clock.run_s() + LEAD_S)
        while self._waiting and self._waiting[0].known.t_s < due_t_s:
            self._enter(self._waiting.pop(0))
        self._entered_t_s = max(self._entered_t_s, due_t_s)

    def _enter(self, one: _Waiting) -> None:
        known = one.known
        since_s = max(self._timeline.run_s(known.t_s), self._since_s)
        if isinstance(one.draft, str):
            on = known.what.removeprefix(f"{one.kind} ")
            self._events.add("fault_failed", run_s=since_s, fault="", kind=one.kind, on=on, reason=one.draft)
            return
        until_s = since_s + one.draft.for_s
        if known.for_t_s is not None:
            until_s = self._timeline.run_s(_end_t_s(known))
        fault_id = self._faults.enter(one.draft, since_s, until_s, known)
        self._lasting = {name: lasts for name, lasts in self._lasting.items() if self._faults.is_there(name)}
        if known.for_t_s is not None:
            self._lasting[fault_id] = known

    async def _wait(self) -> None:
        """Until the next is due, or has to be drawn, or something has changed."""
        drawn_t_s = min(stream.drawn_t_s for stream in self._streams)
        more_s = self._timeline.run_s(math.nextafter(drawn_t_s, math.inf)) - AHEAD_S / 2
        wait_s = more_s - self._clock.run_s()
        if self._waiting:
            due_s = self._timeline.run_s(self._waiting[0].known.t_s) - LEAD_S
            wait_s = min(wait_s, due_s - self._clock.run_s())
        await sleep_unless(self._changed, self._clock, max(wait_s, SOONEST_S))

    def _but_gaps(self, first_t_s: float, last_t_s: float) -> Iterator[Span]:
        """What of a span was not jumped over."""
        for gap_t_s, end_t_s in self._gaps:
            if first_t_s < gap_t_s:
                yield first_t_s, min(gap_t_s, last_t_s)
            first_t_s = max(first_t_s, end_t_s)
        if first_t_s < last_t_s:
            yield first_t_s, last_t_s

    def _in_gap(self, t_s: float) -> bool:
        return any(first_t_s <= t_s < last_t_s for first_t_s, last_t_s in self._gaps)

    async def _count(self) -> None:
        """Say what was left out, as soon as it is known."""
        while True:
            (first_t_s, last_t_s), reason = await self._left_out.get()
            kinds: Counter[str] = Counter()
            for stream in self._streams:
                at_t_s = first_t_s
                while at_t_s < last_t_s:
                    next_t_s = min((at_t_s // COUNTED_AT_ONCE_S + 1.0) * COUNTED_AT_ONCE_S, last_t_s)
                    kinds += await self._read(count, stream.source, at_t_s, next_t_s)
                    at_t_s = next_t_s
                if isinstance(stream.source, Lasting):  # who lands in these is in them
                    landed = await self._read(stream.source.under_way, last_t_s)
                    kinds -= Counter(one.entry["kind"] for one in landed if one.t_s >= first_t_s)
            self.skipped.update(kinds)
            if kinds:
                self._events.add(
                    "occurrences_skipped",
                    reason=reason,
                    from_t_s=round(first_t_s, 6),
                    to_t_s=round(last_t_s, 6),
                    kinds=dict(sorted(kinds.items())),
                )


def _end_t_s(known: Known) -> float:
    return known.t_s + (known.for_t_s or 0.0)
