"""The declared transfers of a run: who sends how much to whom, and how far that is.

node --RelayTransfer--> follow --start_transfer--> fabric
                          ^ |                        |
                          | '-- no way now --> bundles, where the strategy stores and forwards (bundles.py)
                          '------ heard: progress <--'

A transfer lives as long as somebody follows it: the end of the call, by whichever side, is its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import count
from typing import Any, Literal, Protocol

from skyrack.orchestrator.clock import Clock
from skyrack.orchestrator.fabric.quantum import BEST_EFFORT, CLASS_NAMES, COMPUTE
from skyrack.orchestrator.routing.idle import NoWayError, Way
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.nodes import NodeBook
from skyrack.orchestrator.runtime.roster import Roster

MOST_BYTES = 1 << 60
MOST_RUNNING = 1_000  # each is some heap entries in the fabric and a stream here
START_MARGIN_S = 0.005  # what the fabric is told holds from an instant that has not passed when it hears it

State = Literal["running", "waiting", "done"]
Outcome = Literal["done", "cancelled", "failed"]


class Refusal(Enum):
    """Why there is no such transfer, or no longer."""

    INVALID = "invalid"  # as it was asked, it never can be
    UNKNOWN_NODE = "unknown node"
    NO_WAY = "no way"  # not now: an end is dark, or no route joins them
    TOO_MANY = "too many"
    NO_FABRIC = "no fabric"  # not there, or gone meanwhile
    STORE_FULL = "store full"  # no room for a bundle where it would have to be stored
    LOST = "lost"  # with the node that had it in custody
    EXPIRED = "expired"  # no contact within the time that a bundle may be under way


class TransferRefusedError(Exception):
    """A transfer that cannot be, or cannot go on; the text is for whoever asked."""

    def __init__(self, refusal: Refusal, text: str) -> None:
        super().__init__(text)
        self.refusal = refusal


class Carrier(Protocol):
    """The part of a fabric that carries declared transfers; run seconds, node indices."""

    def start_transfer(
        self, number: int, at_s: float, src: int, dst: int, size_bytes: int, traffic_class: int
    ) -> None:
        """Begin at `at_s`."""

    def cancel_transfer(self, number: int) -> None:
        """End it now."""


@dataclass(frozen=True, slots=True)
class Custody:
    """`node` has all of a bundle and sends it to `next` at `departs_s`; None where no way is known."""

    node: str
    next: str | None
    departs_s: float | None
    arrives_s: float | None  # at the destination, as computed now


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a transfer is at run time `at_s`; `idle_s` is what it takes on an idle way, as that was at the start.

    Of a bundle, which has `custody`, `idle_s` is what was computed at the start, waiting included, and `path` its stores.
    """

    number: int
    state: State
    delivered_bytes: int
    resent_bytes: int
    started_s: float
    at_s: float
    idle_s: float
    path: tuple[str, ...]
    custody: Custody | None = None
    traffic_class: int = BEST_EFFORT

    @property
    def rate_bps(self) -> float:
        """Delivered bits over the time since the start."""
        took_s = self.at_s - self.started_s
        return self.delivered_bytes * 8.0 / took_s if took_s > 0.0 else 0.0


@dataclass
class Totals:
    """Of all transfers, since the start of the run."""

    running: int = 0
    ended: dict[str, int] = field(default_factory=lambda: {"done": 0, "cancelled": 0, "failed": 0})
    delivered_bytes: int = 0
    resent_bytes: int = 0


class StoreAndForward(Protocol):
    """What is done with a transfer that has no way now."""

    def follow(
        self, number: int, src: int, dst: int, size_bytes: int, traffic_class: int, no_way: str
    ) -> AsyncGenerator[Progress, None]:
        """As `Transfers.follow`."""


@dataclass
class _Transfer:
    size_bytes: int
    newest: Progress
    whole: bool  # not a leg of another
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    lost_fabric: bool = False


class Transfers:
    """The registry. `carrier`: the fabric that is up, if any. `way_at`: the way in force; raises NoWayError.

    `byte_scale`: how many declared bytes one byte of the fabric stands for. `classes`: whether links have any.
    """

    def __init__(
        self,
        roster: Roster,
        book: NodeBook,
        events: EventLog,
        clock: Clock,
        carrier: Callable[[], Carrier | None],
        way_at: Callable[[float, int, int], Way],
        byte_scale: int,
        *,
        classes: bool,
    ) -> None:
        self._roster = roster
        self._book = book
        self._events = events
        self._clock = clock
        self._carrier = carrier
        self._way_at = way_at
        self._byte_scale = byte_scale
        self._classes = classes
        self._numbers = count(1)
        self._running: dict[int, _Transfer] = {}
        self.totals = Totals()
        self.bundles: StoreAndForward | None = None

    async def follow(
        self, src: str, dst: str, size_bytes: int, traffic_class: int = BEST_EFFORT
    ) -> AsyncGenerator[Progress, None]:
        """Start a transfer and give what is new of it until it is done; to end the iteration is to cancel it.

        A slow reader misses what newer progress replaced. Raises TransferRefusedError.
        """
        a, b = self._check(src, dst, size_bytes, traffic_class)
        carrier = self._carrier()
        if carrier is None:
            raise TransferRefusedError(Refusal.NO_FABRIC, "the fabric is not up")
        started_s = self._clock.run_s() + START_MARGIN_S
        try:
            found = self._way_at(started_s, a, b)
        except NoWayError as error:
            no_way = f"no way from {src} to {dst} now: {error}"
            if self.bundles is None:
                raise TransferRefusedError(Refusal.NO_WAY, no_way) from error
            news = self.bundles.follow(next(self._numbers), a, b, size_bytes, traffic_class, no_way)
        else:
            news = self._directly(carrier, found, started_s, size_bytes, traffic_class)
        async with aclosing(news):
            async for progress in news:
                yield progress

    async def leg(
        self, at_s: float, src: int, dst: int, size_bytes: int, traffic_class: int
    ) -> AsyncGenerator[Progress, None]:
        """A part of another transfer, over a way there is from `at_s` on; ends early with the fabric."""
        carrier = self._carrier()
        if carrier is None:
            return
        started_s = max(at_s, self._clock.run_s() + START_MARGIN_S)
        begin = Progress(
            next(self._numbers), "running", 0, 0, started_s, started_s, 0.0, (), traffic_class=traffic_class
        )
        try:
            async with aclosing(self._sent(carrier, begin, (src, dst), size_bytes, whole=False)) as news:
                async for progress in news:
                    yield progress
        except TransferRefusedError:
            return

    async def _directly(
        self, carrier: Carrier, found: Way, started_s: float, size_bytes: int, traffic_class: int
    ) -> AsyncGenerator[Progress, None]:
        """Over the way there is now."""
        path = tuple(self._roster.names[node] for node in found.path)
        idle_s = found.took_s(size_bytes)
        newest = Progress(
            next(self._numbers),
            "running",
            0,
            0,
            started_s,
            started_s,
            idle_s,
            path,
            traffic_class=traffic_class,
        )
        self.begun(newest, size_bytes)
        outcome: Outcome = "cancelled"
        try:
            sent = self._sent(carrier, newest, (found.path[0], found.path[-1]), size_bytes, whole=True)
            async with aclosing(sent) as news:
                async for newest in news:
                    if newest.state == "done":
                        outcome = "done"
                    yield newest
        except TransferRefusedError:
            outcome = "failed"
            raise
        finally:
            self.ended(newest, outcome)

    async def _sent(
        self, carrier: Carrier, begin: Progress, ends: tuple[int, int], size_bytes: int, *, whole: bool
    ) -> AsyncGenerator[Progress, None]:
        """Have the fabric send; `begin`, then what is new until it is done. Raises TransferRefusedError: no fabric."""
        number = begin.number
        transfer = self._running[number] = _Transfer(size_bytes, begin, whole)
        try:
            fabric_bytes = -(-size_bytes // self._byte_scale)
            carrier.start_transfer(number, begin.started_s, *ends, fabric_bytes, begin.traffic_class)
            newest = begin
            yield newest
            while newest.state != "done":
                await transfer.changed.wait()
                transfer.changed.clear()
                newest = transfer.newest
                if transfer.lost_fabric and newest.state != "done":
                    raise TransferRefusedError(
                        Refusal.NO_FABRIC,
                        f"the fabric ended: {newest.delivered_bytes} of {size_bytes} bytes had arrived; "
                        "ask for the rest",
                    )
                yield newest
        finally:
            del self._running[number]
            if transfer.newest.state != "done" and not transfer.lost_fabric:
                carrier.cancel_transfer(number)

    def heard(self, message: Mapping[str, Any]) -> None:
        """The fabric says how far a transfer is."""
        transfer = self._running.get(int(message["id"]))
        if transfer is None or message["state"] == "cancelled":
            return
        done = message["state"] == "done"
        delivered = (
            transfer.size_bytes
            if done
            else min(transfer.size_bytes, int(message["bytes"]) * self._byte_scale)
        )
        resent = int(message["lost"]) * self._byte_scale
        before, totals = transfer.newest, self.totals
        if transfer.whole:
            totals.delivered_bytes += delivered - before.delivered_bytes
        totals.resent_bytes += resent - before.resent_bytes
        transfer.newest = replace(
            before,
            state="done" if done else "running",
            delivered_bytes=delivered,
            resent_bytes=resent,
            at_s=float(message["at"]),
        )
        transfer.changed.set()

    def fabric_down(self) -> None:
        """Nothing moves any more: what was under way has ended."""
        for transfer in self._running.values():
            if transfer.newest.state != "done":
                transfer.lost_fabric = True
                transfer.changed.set()

    def _check(self, src: str, dst: str, size_bytes: int, traffic_class: int) -> tuple[int, int]:
        if not 0 < size_bytes <= MOST_BYTES:
            raise TransferRefusedError(Refusal.INVALID, f"bytes: {size_bytes}, expected 1 to 2^60")
        if traffic_class == COMPUTE and not self._classes:
            raise TransferRefusedError(
                Refusal.INVALID,
                "traffic_class: compute, and links of this run have no classes (links.classes)",
            )
        try:
            a, b = self._roster.require(src), self._roster.require(dst)
        except KeyError as error:
            raise TransferRefusedError(Refusal.UNKNOWN_NODE, str(error.args[0])) from error
        if a == b:
            raise TransferRefusedError(Refusal.INVALID, f"destination: {dst} is the node that was asked")
        for index, name in ((a, src), (b, dst)):
            node = self._book.by_index.get(index)
            if node is None:
                raise TransferRefusedError(Refusal.NO_WAY, f"{name} is a bare satellite: it has no process")
            if not node.attached:
                raise TransferRefusedError(Refusal.NO_WAY, f"{name} is dark")
        if self.totals.running >= MOST_RUNNING:
            raise TransferRefusedError(Refusal.TOO_MANY, f"{MOST_RUNNING} transfers are under way already")
        return a, b

    def begun(self, first: Progress, size_bytes: int) -> None:
        """A transfer has begun; `first` tells from where to where."""
        self.totals.running += 1
        self._events.add(
            "transfer_started", run_s=first.started_s, transfer=first.number,
            **{"from": first.path[0], "to": first.path[-1]}, bytes=size_bytes, idle_s=round(first.idle_s, 9),
            **{"class": CLASS_NAMES[first.traffic_class]},
        )  # fmt: skip

    def ended(self, newest: Progress, outcome: Outcome) -> None:
        """And is over."""
        self.totals.running -= 1
        self.totals.ended[outcome] += 1
        self._events.add(
            "transfer_finished", transfer=newest.number, outcome=outcome, delivered_bytes=newest.delivered_bytes,
            resent_bytes=newest.resent_bytes, took_s=round(newest.at_s - newest.started_s, 9),
        )  # fmt: skip
