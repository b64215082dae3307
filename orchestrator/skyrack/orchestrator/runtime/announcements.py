"""Faults that are ordered from the ground, such as manoeuvres: routes leave what they take a moment before they take it."""

from __future__ import annotations

import math
from bisect import insort
from typing import Final

from skyrack.orchestrator.faults.fault import Fault
from skyrack.orchestrator.faults.kinds import KINDS
from skyrack.orchestrator.faults.request import Request
from skyrack.orchestrator.runtime.feed import Feed
from skyrack.orchestrator.topology.failures import Failures

# Routes leave links so long before they are down as planned: what is under way comes through.
AROUND_S: Final = 0.5


class Announcements:
    """Tells the feed of planned faults. Somebody has to call `make` at `next_s`."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._waiting: list[tuple[float, str, Fault]] = []  # when, earliest first
        self._made: dict[str, Failures] = {}

    def expect(self, fault: Fault) -> None:
        """Announce it in time, if it is of a kind that is planned."""
        if KINDS[fault.draft.kind].planned:
            insort(self._waiting, (fault.since_s - AROUND_S, fault.id, fault))

    def next_s(self) -> float:
        """When the next is to be made, run time; infinite without one."""
        return self._waiting[0][0] if self._waiting else math.inf

    def make(self) -> None:
        """Announce the next."""
        _, fault_id, fault = self._waiting.pop(0)
        pairs = frozenset((min(way), max(way)) for way in fault.draft.effect.links)
        self._made[fault_id] = Failures(links=pairs)
        self._feed.announce(worse=self._made[fault_id])

    def take_back(self, fault_id: str) -> None:
        """It does not come."""
        if (told := self._forget(fault_id)) is not None:
            self._feed.announce(better=Failures(links=told.links - self._feed.failures.links))

    def over(self, fault_id: str) -> None:
        """It has come, and ended."""
        self._forget(fault_id)

    def _forget(self, fault_id: str) -> Failures | None:
        self._waiting = [one for one in self._waiting if one[1] != fault_id]
        return self._made.pop(fault_id, None)


def in_s(request: Request) -> float:
    """How long from now a fault begins that was asked for: what is planned not before routes have gone around it."""
    return max(request.in_s, AROUND_S) if KINDS[request.draft.kind].planned else request.in_s
