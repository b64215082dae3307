"""What was in force in this run and when, and what any probe should therefore have taken."""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from itertools import takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.routing.computed import Computed, computed_rtt
from skyrack.orchestrator.routing.condition import Condition
from skyrack.orchestrator.routing.cut import Cut
from skyrack.orchestrator.routing.force_log import ForceLog, Way
from skyrack.orchestrator.routing.link_model import LinkModel
from skyrack.orchestrator.runtime.convergence import pairs_record
from skyrack.orchestrator.scenario import Scenario
from skyrack.orchestrator.timeline import Timeline
from skyrack.orchestrator.topology.epoch import Epoch
from skyrack.orchestrator.topology.failures import Failures
from skyrack.orchestrator.topology.geometry import Geometry

KEPT_S = 900.0
# A probe in flight while a node goes dark, comes back or is routed around may rightly end either way: the fabric acts
# within milliseconds of the instant that is written down, and a reply leaves when the host's kernel has written it.
GUARD_S = 0.01
GUARDED_FLIGHT_S = 0.3
# Faults and gaps are exact: there a probe may end either way only if it would a moment later, held up by the host, or, by a
# fault that the fabric heard of late, a moment earlier.
MOMENTS_S = (-GUARD_S, -0.003, 0.001, 0.003, GUARD_S)
EDGE_S = 0.001  # how close together edges are told apart
GUARD = "guard: a node or a route changed while it flew"
CLOCK_GUARD = "guard: the clock was changed while it flew"


class Oracle:
    """Told of everything that takes effect, asked for round trips. Times are run seconds, nodes are indices."""

    def __init__(self, scenario: Scenario, geometry: Geometry, timeline: Timeline, worker: Executor) -> None:
        self._geometry = geometry
        self._timeline = timeline
        self._worker = worker
        self._model = LinkModel.of(scenario)
        self._log = ForceLog()
        self._changes_s: deque[float] = deque(maxlen=10_000)  # unplanned: dark, lit, rerouted
        self._edges_s: list[
            float
        ] = []  # when faults and the news of them begin or end to lose packets, in order
        # When the clock was changed, and by when the fabric knew.
        self._turns_s: deque[tuple[float, float]] = deque(maxlen=10_000)
        # Since when and until when the host held the fabric up; ends ascend.
        self._held_up_s: deque[tuple[float, float]] = deque(maxlen=10_000)
        self._down: set[Way] = set()
        self._gaps = False  # whether any epoch so far had a station between two links

    def in_force(self, at_s: float, epoch: Epoch, now_s: float) -> None:
        """Links and routes that hold from `at_s` on; what is long over is forgotten."""
        self._log.record(at_s, epoch)
        self._gaps |= epoch.in_gap
        self._log.prune(now_s - KEPT_S)
        del self._edges_s[: bisect_left(self._edges_s, now_s - KEPT_S)]

    def adopted(self, when_s: NDArray[np.float64], epoch: Epoch) -> None:
        """Routes that nodes take up one by one, node i at when_s[i]; infinite: it does not."""
        self._log.adopt(when_s, epoch)
        for edge in np.unique(when_s[np.isfinite(when_s)] // EDGE_S).tolist():
            insort(self._edges_s, edge * EDGE_S)

    def epoch_at(self, run_s: float) -> Epoch | None:
        """Links and routes in force at `run_s`; None before the first."""
        return self._log.epoch_at(run_s)

    def dark(self, at_s: float, node: int) -> None:
        """The node went dark."""
        self._log.dark(at_s, node)
        self._changes_s.append(at_s)

    def lit(self, at_s: float, node: int) -> None:
        """The node is back."""
        self._log.lit(at_s, node)
        self._changes_s.append(at_s)

    def conditions(self, at_s: float, conditions: Mapping[Way, Condition]) -> None:
        """Faults make these directions of links so."""
        for way, condition in conditions.items():
            self._log.condition(at_s, way, condition)
        down = {way for way, condition in conditions.items() if condition.down}
        if down != self._down & set(conditions):
            insort(self._edges_s, at_s)
        self._down = (self._down - set(conditions)) | down

    def cuts(self, at_s: float, cuts: tuple[Cut, ...]) -> None:
        """Faults cut these sides off from each other, and no others."""
        self._log.cut(at_s, cuts)
        insort(self._edges_s, at_s)

    def late(self, at_s: float, told_s: float) -> None:
        """The fabric was told of a fault's instant when that had passed."""
        self._changes_s.extend(np.arange(at_s, told_s + GUARD_S, GUARD_S).tolist())

    def held_up(self, since_s: float, until_s: float) -> None:
        """The host kept the fabric waiting, or from orders that should have held by then."""
        self._held_up_s.append((since_s, until_s))

    def turned(self, at_s: float, told_s: float) -> None:
        """Orbit time went another way from `at_s` on, which the fabric knew by `told_s`: no probe across it is judged."""
        self._turns_s.append((at_s, max(at_s, told_s)))

    def fabric_down(self, at_s: float) -> None:
        """Nothing moves any more."""
        self._log.fabric_down(at_s)

    def fabric_up(self, at_s: float) -> None:
        """Packets move again, between nodes that are lit."""
        self._log.fabric_up(at_s)

    def rerouted(self, at_s: float) -> None:
        """Routes changed at about this instant without having been planned."""
        self._changes_s.append(at_s)

    def pairs_record(self, failures: Failures, at_s: float, until_s: float) -> dict[str, Any]:
        """How pairs of inhabited nodes fared while news of a change spread (convergence.py)."""
        return pairs_record(self._geometry, self._log, failures, at_s, until_s)

    async def computed(self, probes: Sequence[tuple[float, int, int, int]]) -> list[dict[str, Any]]:
        """Computed round trips for (run_s, a, b, ip_bytes), in their order: the fields of Computed as JSON values.

        `held_up_s`: how long the host kept the fabric waiting while a probe was under way. Where it did, a probe may meet what
        came later, and neither a loss nor a reply speaks against what is computed.
        """
        groups: dict[tuple[int, int, int], list[int]] = {}
        for i, (_, a, b, size) in enumerate(probes):
            groups.setdefault((a, b, size), []).append(i)
        results: list[dict[str, Any]] = [{} for _ in probes]
        loop = asyncio.get_running_loop()
        for (a, b, size), members in groups.items():
            sent_s = [probes[i][0] for i in members]
            answers = await loop.run_in_executor(self._worker, self._fates, a, b, sent_s, size)
            for i, at_s, (answer, certain) in zip(members, sent_s, answers, strict=True):
                reason = answer.reason if certain and not self._unsettled(at_s, answer.rtt_s) else GUARD
                reason = CLOCK_GUARD if self._across_a_turn(at_s, answer.rtt_s) else reason
                path = [self._geometry.names[node] for node in answer.path]
                results[i] = {
                    "rtt_s": answer.rtt_s,
                    "path": path,
                    "reason": reason,
                    "kept_ratio": answer.kept_ratio,
                    "held_up_s": self._held_up(at_s, answer.rtt_s),
                    "slowest_bps": answer.slowest_bps if math.isfinite(answer.slowest_bps) else None,
                }
        return results

    def _fates(self, a: int, b: int, sent_s: list[float], size: int) -> list[tuple[Computed, bool]]:
        """What probes should take, and whether they fare the same a moment off where a gap, a fault or its news has an edge."""
        found = computed_rtt(self._geometry, self._log, self._model, a, b, sent_s, size, self._timeline)
        edges = [self._at_edge(at_s, one.rtt_s) for at_s, one in zip(sent_s, found, strict=True)]
        certain = [True] * len(found)
        for off_s in MOMENTS_S:
            some = [i for i, edge in enumerate(edges) if edge or (self._gaps and off_s == GUARD_S)]
            if some:
                at_s = np.asarray(sent_s)[some] + off_s
                others = computed_rtt(
                    self._geometry, self._log, self._model, a, b, at_s, size, self._timeline
                )
                for i, other in zip(some, others, strict=True):
                    certain[i] &= (found[i].rtt_s is None) == (other.rtt_s is None)
        return list(zip(found, certain, strict=True))

    def _at_edge(self, sent_s: float, rtt_s: float | None) -> bool:
        """Whether a fault, or routing as it hears of one, changed something while a probe flew."""
        first = bisect_left(self._edges_s, sent_s - GUARD_S - EDGE_S)
        return first < bisect_left(self._edges_s, _last_s(sent_s, rtt_s))

    def _unsettled(self, sent_s: float, rtt_s: float | None) -> bool:
        """Whether the mesh changed unplanned while a probe flew."""
        last_s = _last_s(sent_s, rtt_s)
        return any(sent_s - GUARD_S <= at_s <= last_s for at_s in self._changes_s)

    def _held_up(self, sent_s: float, rtt_s: float | None) -> float:
        """How much later than computed a probe, or its reply, may have left for the host's sake."""
        last_s, held_up_s = _last_s(sent_s, rtt_s), 0.0
        since_sent = list(takewhile(lambda span_s: span_s[1] > sent_s, reversed(self._held_up_s)))
        for since_s, until_s in reversed(since_sent):
            if since_s <= last_s + held_up_s:
                held_up_s += until_s - max(since_s, sent_s)
        return held_up_s

    def _across_a_turn(self, sent_s: float, rtt_s: float | None) -> bool:
        """Whether the clock changed while a probe flew."""
        last_s = _last_s(sent_s, rtt_s)
        return any(sent_s - GUARD_S <= told_s and at_s <= last_s for at_s, told_s in self._turns_s)


def _last_s(sent_s: float, rtt_s: float | None) -> float:
    """Until when a probe may be under way."""
    return sent_s + (GUARDED_FLIGHT_S if rtt_s is None else rtt_s) + GUARD_S
