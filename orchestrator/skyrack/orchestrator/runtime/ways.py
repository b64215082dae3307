"""What the API tells of paths and links of a run: in force beside ideal, and why not."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from itertools import pairwise
from typing import Any

from skyrack.orchestrator.clock import Clock
from skyrack.orchestrator.routing.ideal import ideal_path
from skyrack.orchestrator.routing.paths import path_of
from skyrack.orchestrator.runtime.carried import carried_bps
from skyrack.orchestrator.runtime.fault_view import FaultView
from skyrack.orchestrator.runtime.feed import Feed
from skyrack.orchestrator.timeline import Timeline
from skyrack.orchestrator.topology.epoch import Epoch
from skyrack.orchestrator.topology.explain import explain_link, explain_no_path, link_record
from skyrack.orchestrator.topology.failures import Failures
from skyrack.orchestrator.topology.geometry import Geometry

_WHOLE_EPOCH = (
    "routes are those of the epoch's start, over links that last it out; the ideal is of this instant"
)
# Why a path in force is another one than the shortest of the moment, by strategy.
_UNLIKE_IDEAL = {
    "ephemeris": _WHOLE_EPOCH,
    "static": "static counts steps of the grid, not delay",
    "contact-graph": _WHOLE_EPOCH,
    "load-aware": "load-aware weighs what links carry beside their delay, once an epoch",
}


class Ways:
    """Reads what is in force; changes nothing. Answers are of the moment at which they were asked."""

    def __init__(
        self,
        geometry: Geometry,
        timeline: Timeline,
        feed: Feed,
        faults: FaultView,
        clock: Clock,
        worker: Executor,
    ) -> None:
        self._geometry = geometry
        self._timeline = timeline
        self._feed = feed
        self._faults = faults
        self._clock = clock
        self._worker = worker

    async def path(self, a: str, b: str) -> dict[str, Any]:
        """The path in force from a to b, the ideal one beside it, and why they are not there or not the same.

        Raises ValueError for a path from a node to itself.
        """
        if a == b:
            raise ValueError(f"{a} to itself: a path joins two nodes")
        geometry, run_s = self._geometry, self._clock.run_s()
        epoch, failures, told = self._feed.oracle.epoch_at(run_s), self._feed.failures, self._feed.told
        return await asyncio.get_running_loop().run_in_executor(
            self._worker, self._path, geometry.index_of(a), geometry.index_of(b), run_s, epoch, failures, told
        )

    async def link(self, a: str, b: str) -> dict[str, Any]:
        """A link's state: the plan's, what has failed beside it, and what it carries in each direction."""
        geometry, run_s = self._geometry, self._clock.run_s()
        failures, told = self._feed.failures, self._feed.told
        ends = geometry.index_of(a), geometry.index_of(b)
        record = await asyncio.get_running_loop().run_in_executor(
            self._worker, self._link, *ends, run_s, failures, told
        )
        pair = self._feed.pair_number(min(ends), max(ends))
        scale = geometry.scenario.links.byte_scale
        carried = await carried_bps(self._feed.fabric, self._clock, pair, scale)
        if carried is not None and ends[0] > ends[1]:
            carried.reverse()
        return record | {"carried_bps": carried}

    def _link(self, a: int, b: int, run_s: float, failures: Failures, told: Failures) -> dict[str, Any]:
        names, t_s = self._geometry.names, self._timeline.t_s(run_s)
        state = explain_link(self._geometry, a, b, t_s, failures)
        return link_record(names[a], names[b], t_s, state) | {
            "run_s": run_s,
            "failed": self._failed(a, b, failures, told),
        }

    def _path(
        self, a: int, b: int, run_s: float, epoch: Epoch | None, failures: Failures, told: Failures
    ) -> dict[str, Any]:
        geometry = self._geometry
        names, t_s = geometry.names, self._timeline.t_s(run_s)
        ideal = ideal_path(geometry, a, b, t_s)
        path, why = self._in_force(a, b, epoch, failures, told)
        if ideal is None:
            why += [reason.text for reason in explain_no_path(geometry, a, b, t_s, failures)]
        strategy = geometry.scenario.routing.strategy
        if path is not None and ideal is not None and path != ideal[2] and not why:
            why.append(_UNLIKE_IDEAL[strategy])
        return {
            "from": names[a],
            "to": names[b],
            "run_s": run_s,
            "t_s": t_s,
            "strategy": strategy,
            "ideal": self._shown(ideal[2] if ideal else None, t_s),
            "in_force": self._shown(path, t_s),
            "why": why,
        }

    def _in_force(
        self, a: int, b: int, epoch: Epoch | None, failures: Failures, told: Failures
    ) -> tuple[list[int] | None, list[str]]:
        """The path that a packet takes and what it meets there; None with where it ends."""
        names = self._geometry.names
        if epoch is None:
            return None, ["no routes are in force yet"]
        try:
            path = path_of(epoch, a, b)
        except ValueError as error:
            return None, [str(error)]
        if path is not None:
            broken = [text for x, y in pairwise(path) for text in self._failed(x, y, failures, told)]
            return path, list(dict.fromkeys(broken))
        row, here = epoch.row_of(b), a
        if row is None:
            return None, [f"no route leads from {names[b]} back to {names[a]}"]
        passed = [here]
        while (here := int(epoch.next_hop[row, here])) >= 0 and here not in passed:
            passed.append(here)
        if here >= 0:
            return None, [f"routes go in a circle at {names[here]}: nodes do not agree on what has failed"]
        last, strategy = passed[-1], self._geometry.scenario.routing.strategy
        beside = [
            text for x, y in failures.links if last in (x, y) for text in self._failed(x, y, failures, told)
        ]
        return None, [
            f"{names[last]} has no route to {names[b]}: {strategy} has no link in service to send it over",
            *beside,
        ]

    def _failed(self, a: int, b: int, failures: Failures, told: Failures) -> list[str]:
        """What of a link is out of service, by which fault and since when, and whether it is known."""
        names, pair = self._geometry.names, (min(a, b), max(a, b))
        found = [
            self._sentence(names[end], (names[end],), end in told.nodes)
            for end in (a, b)
            if end in failures.nodes
        ]
        if pair in failures.links:
            words = (f"{names[a]}-{names[b]}", f"{names[b]}-{names[a]}")
            found.append(self._sentence(f"{names[pair[0]]}-{names[pair[1]]}", words, pair in told.links))
        return found

    def _sentence(self, subject: str, words: tuple[str, ...], known: bool) -> str:
        acting = [(one, since_s) for one, since_s, on in self._faults.darkening() if set(on) & set(words)]
        by = f" since {acting[0][1]:.3f} s, by fault {acting[0][0]}" if acting else ""
        return f"{subject} is dark{by}" + ("" if known else ", not detected yet")

    def _shown(self, path: list[int] | None, t_s: float) -> dict[str, Any] | None:
        if path is None:
            return None
        one_way_s = float(self._geometry.delay_s(path[:-1], path[1:], t_s).sum())
        return {"path": [self._geometry.names[node] for node in path], "rtt_ms": 2e3 * one_way_s}
