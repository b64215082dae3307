"""The declared transfers of a run: who sends how much to whom, and how far that is.

node --RelayTransfer--> follow --start_transfer--> fabric
                          ^                          |
                          '------ heard: progress <--'

A transfer lives as long as somebody follows it: the end of the call, by whichever side, is its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
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

State = Literal["running", "done"]


class Refusal(Enum):
    """Why there is no such transfer, or no longer."""

    INVALID = "invalid"  # as it was asked, it never can be
    UNKNOWN_NODE = "unknown node"
    NO_WAY = "no way"  # not now: an end is dark, or no route joins them
    TOO_MANY = "too many"
    NO_FABRIC = "no fabric"  # not there, or gone meanwhile


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
class Progress:
    """How far a transfer is at run time `at_s`; `idle_s` is what it takes on an idle way, as that was at the start."""

    number: int
    state: State
    delivered_bytes: int
    resent_bytes: int
    started_s: float
    at_s: float
    idle_s: float
    path: tuple[str, ...]

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


@dataclass
class _Transfer:
    size_bytes: int
    newest: Progress
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
            raise TransferRefusedError(Refusal.NO_WAY, f"no way from {src} to {dst} now: {error}") from error
        number = next(self._numbers)
        path = tuple(self._roster.names[node] for node in found.path)
        begin = Progress(number, "running", 0, 0, started_s, started_s, found.took_s(size_bytes), path)
        transfer = self._running[number] = _Transfer(size_bytes, begin)
        self.totals.running += 1
        self._events.add(
            "transfer_started", run_s=started_s, transfer=number, **{"from": src, "to": dst},
            bytes=size_bytes, idle_s=round(begin.idle_s, 9), **{"class": CLASS_NAMES[traffic_class]},
        )  # fmt: skip
        outcome = "cancelled"
        try:
            fabric_bytes = -(-size_bytes // self._byte_scale)
            carrier.start_transfer(number, started_s, a, b, fabric_bytes, traffic_class)
            yield begin
            while True:
                await transfer.changed.wait()
                transfer.changed.clear()
                newest = transfer.newest
                if newest.state == "done":
                    outcome = "done"
                    yield newest
                    return
                if transfer.lost_fabric:
                    outcome = "failed"
                    raise TransferRefusedError(
                        Refusal.NO_FABRIC,
                        f"the fabric ended: {newest.delivered_bytes} of {size_bytes} bytes had arrived; "
                        "ask for the rest",
                    )
                yield newest
        finally:
            del self._running[number]
            if outcome == "cancelled":
                carrier.cancel_transfer(number)
            self._account(transfer, outcome)

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
        if len(self._running) >= MOST_RUNNING:
            raise TransferRefusedError(Refusal.TOO_MANY, f"{MOST_RUNNING} transfers are under way already")
        return a, b

    def _account(self, transfer: _Transfer, outcome: str) -> None:
        totals, newest = self.totals, transfer.newest
        totals.running -= 1
        totals.ended[outcome] += 1
        self._events.add(
            "transfer_finished", transfer=newest.number, outcome=outcome, delivered_bytes=newest.delivered_bytes,
            resent_bytes=newest.resent_bytes, took_s=round(newest.at_s - newest.started_s, 9),
        )  # fmt: skip
