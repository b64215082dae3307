"""What is out of service unplanned, as the nodes beside it notice: a loss after the detection time, a return at once.

lost at t --> t + detection: still out, since t? --> noticed --> those beside it are told
back at t --------------------------------------> no more --> those beside it are told

What a node's own terminal notices does not wait for a flood: news.py tells the others, and the routes.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from skyrack.orchestrator.clock import Clock
from skyrack.orchestrator.topology.failures import NO_FAILURES, Failures, union


class Outages:
    """`failures` says what is out of service now. `on_change` hears of what has just been noticed, or is back."""

    def __init__(
        self,
        detection_s: float,
        failures: Callable[[], Failures],
        clock: Clock,
        start: Callable[[Coroutine[Any, Any, None], str], None],
    ) -> None:
        self._detection_s = detection_s
        self._failures = failures
        self._clock = clock
        self._start = start
        self._since_s: dict[Failures, float] = {}
        self._nodes: set[int] = set()
        self._links: set[tuple[int, int]] = set()
        self.on_change: Callable[[Failures], None] = lambda change: None

    def lost(self, change: Failures, at_s: float) -> None:
        """These nodes and links are out since `at_s`."""
        for part in change.parts():
            self._since_s.setdefault(part, at_s)
        self._start(self._notice(change, at_s), "outage")

    def returned(self, change: Failures, at_s: float) -> None:
        """These are in service again from `at_s` on, but for those that something else keeps out."""
        out = self._failures()
        back = [part for part in change.parts() if not part.within(out)]
        for part in back:
            self._since_s.pop(part, None)
        if back:
            self._start(self._forget(union(back), at_s), "outage-over")

    def lost_of(self, node: int, neighbours: Iterable[int]) -> list[int]:
        """The neighbours from which a node gets no light, as it has noticed."""
        if not self._nodes and not self._links:
            return []
        return [
            peer
            for peer in neighbours
            if node in self._nodes or peer in self._nodes or (min(node, peer), max(node, peer)) in self._links
        ]

    async def _notice(self, change: Failures, at_s: float) -> None:
        await self._clock.sleep(at_s + self._detection_s - self._clock.run_s())
        noticed = union(part for part in change.parts() if self._since_s.get(part) == at_s)
        if noticed != NO_FAILURES:
            self._nodes |= noticed.nodes
            self._links |= noticed.links
            self.on_change(noticed)

    async def _forget(self, back: Failures, at_s: float) -> None:
        await self._clock.sleep(at_s - self._clock.run_s())
        over = union(part for part in back.parts() if part not in self._since_s)
        self._nodes -= over.nodes
        self._links -= over.links
        self.on_change(over)
