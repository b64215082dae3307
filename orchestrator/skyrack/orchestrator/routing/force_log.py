"""What was in force when: epochs, nodes that were dark, faults of links, who was cut off, times the fabric was down.

The run appends as things happen; the oracle (computed.py) reads. Times are run seconds.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.routing.condition import AS_ALWAYS, Condition
from skyrack.orchestrator.routing.cut import Cut
from skyrack.orchestrator.topology.epoch import Epoch

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Way = tuple[int, int]  # one direction of a link: from node, to node


@dataclass(frozen=True, slots=True)
class Intervals:
    """Disjoint half-open intervals [start, stop) in order of time; the last may have no end yet."""

    starts_s: Floats
    stops_s: Floats

    def hold(self, t_s: Floats) -> Flags:
        """Whether instants (m,) lie in an interval."""
        return self.meet(t_s, t_s)

    def meet(self, first_s: Floats, last_s: Floats) -> Flags:
        """Whether spans [first, last] (m,) touch an interval."""
        latest = np.searchsorted(self.starts_s, last_s, side="right") - 1
        stops_s = np.append(self.stops_s, -np.inf)  # index -1: nothing has begun yet
        return np.asarray(first_s < stops_s[latest], dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class Steps:
    """`conditions[i]` holds from `since_s[i]` until `since_s[i + 1]`; before the first the link is as always."""

    since_s: Floats
    conditions: tuple[Condition, ...]

    def numbers(self, t_s: Floats) -> NDArray[np.int_]:
        """Which condition held at instants (m,); -1 before the first."""
        return np.searchsorted(self.since_s, t_s, side="right") - 1

    def at(self, number: int) -> Condition:
        """The condition that `numbers` means."""
        return self.conditions[number] if number >= 0 else AS_ALWAYS


@dataclass(frozen=True, slots=True)
class Partitions:
    """`cuts[i]` are in force from `since_s[i]` until `since_s[i + 1]`; before the first there are none."""

    since_s: Floats = field(default_factory=lambda: np.empty(0))
    cuts: tuple[tuple[Cut, ...], ...] = ()

    def part(self, source: int, target: int, t_s: Floats) -> Flags:
        """Whether what a node sends to another at instants (m,) is lost."""
        lost = [False, *(any(cut.parts(source, target) for cut in cuts) for cuts in self.cuts)]
        return np.array(lost)[np.searchsorted(self.since_s, t_s, side="right")]


@dataclass(frozen=True, slots=True)
class History:
    """A frozen copy of the log.

    `epochs[i]` is in force at every node from `since_s[i]` until `since_s[i + 1]`, but for nodes that have adopted another
    one meanwhile: adopted[j] = (when each node (n_nodes,) does, infinite where it does not; which of `epochs`).
    """

    since_s: Floats
    epochs: tuple[Epoch, ...]
    dark: Mapping[int, Intervals]
    fabric_down: Intervals
    conditions: Mapping[Way, Steps] = field(default_factory=dict)
    adopted: tuple[tuple[Floats, int], ...] = ()
    cuts: Partitions = field(default_factory=Partitions)

    def epoch_numbers(self, t_s: Floats, nodes: NDArray[np.int_]) -> NDArray[np.int_]:
        """Which epoch was in force at instants (m,) at nodes (m,); -1 before the first."""
        numbers = np.searchsorted(self.since_s, t_s, side="right") - 1
        since_s = np.where(numbers >= 0, np.append(self.since_s, -np.inf)[numbers], -np.inf)
        for at_s, number in self.adopted:
            mine_s = at_s[nodes]
            newer = (mine_s <= t_s) & (mine_s >= since_s)
            numbers, since_s = np.where(newer, number, numbers), np.where(newer, mine_s, since_s)
        return numbers


class ForceLog:
    """Append-only, except that `prune` forgets what is long over. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._epochs: list[tuple[float, Epoch]] = []
        self._adopted: list[tuple[Floats, Epoch]] = []  # in the order in which they were told
        self._dark: dict[int, list[list[float]]] = {}
        self._down: list[list[float]] = []
        self._conditions: dict[Way, list[tuple[float, Condition]]] = {}
        self._cuts: list[tuple[float, tuple[Cut, ...]]] = []

    def record(self, run_s: float, epoch: Epoch) -> None:
        """From `run_s` on, the fabric uses the links and routes of `epoch`, at every node.

        Epochs are recorded ahead of time; a reroute takes back what was recorded for `run_s` and later.
        """
        with self._lock:
            while self._epochs and self._epochs[-1][0] >= run_s:
                self._epochs.pop()
            self._epochs.append((run_s, epoch))
            kept = [(np.where(at_s >= run_s, np.inf, at_s), other) for at_s, other in self._adopted]
            self._adopted = [(at_s, other) for at_s, other in kept if np.isfinite(at_s).any()]

    def adopt(self, at_s: Floats, epoch: Epoch) -> None:
        """From at_s[i] on, node i uses the routes of `epoch`, until the next epoch; infinite: it does not."""
        with self._lock:
            self._adopted.append((at_s, epoch))

    def dark(self, run_s: float, node: int) -> None:
        """From `run_s` on, `node` neither sends, forwards nor receives. Repeating it changes nothing.

        It may be told late, when the node is said to be back since: then it is not.
        """
        with self._lock:
            _open(self._dark.setdefault(node, []), run_s)

    def lit(self, run_s: float, node: int) -> None:
        """From `run_s` on, `node` is back."""
        with self._lock:
            _close(self._dark.get(node, []), run_s)

    def condition(self, run_s: float, way: Way, condition: Condition) -> None:
        """From `run_s` on, packets meet `condition` on that direction of a link."""
        with self._lock:
            steps = self._conditions.setdefault(way, [])
            assert not steps or run_s >= steps[-1][0], "faults are recorded in order of time"
            steps.append((run_s, condition))

    def cut(self, run_s: float, cuts: tuple[Cut, ...]) -> None:
        """From `run_s` on, these cuts and no others are in force."""
        with self._lock:
            assert not self._cuts or run_s >= self._cuts[-1][0], "faults are recorded in order of time"
            self._cuts.append((run_s, cuts))

    def fabric_down(self, run_s: float) -> None:
        """From `run_s` on, nothing moves, and what was in flight is lost."""
        with self._lock:
            _open(self._down, run_s)

    def fabric_up(self, run_s: float) -> None:
        """From `run_s` on, packets move again."""
        with self._lock:
            _close(self._down, run_s)

    def prune(self, before_s: float) -> None:
        """Forget what no longer matters for probes sent at or after `before_s`."""
        with self._lock:
            current = sum(since_s <= before_s for since_s, _ in self._epochs) - 1
            del self._epochs[: max(current, 0)]
            oldest_s = self._epochs[0][0] if self._epochs else -np.inf
            self._adopted = [
                (at_s, epoch) for at_s, epoch in self._adopted if at_s[np.isfinite(at_s)].max() >= oldest_s
            ]
            for intervals in (*self._dark.values(), self._down):
                intervals[:] = [interval for interval in intervals if interval[1] >= before_s]
            held = sum(since_s <= before_s for since_s, _ in self._cuts) - 1
            del self._cuts[: max(held, 0)]
            for way, steps in list(self._conditions.items()):
                held = sum(since_s <= before_s for since_s, _ in steps) - 1
                del steps[: max(held, 0)]
                if len(steps) == 1 and steps[0][0] <= before_s and steps[0][1] == AS_ALWAYS:
                    del self._conditions[way]

    def epoch_at(self, run_s: float) -> Epoch | None:
        """What is in force at `run_s`, each node's routes its own; None before the first epoch."""
        with self._lock:
            since_s, epoch = next(((s, e) for s, e in reversed(self._epochs) if s <= run_s), (-np.inf, None))
            if epoch is None:
                return None
            next_hop = epoch.next_hop
            latest_s = np.full(next_hop.shape[1], since_s)
            for at_s, other in self._adopted:
                now = (at_s <= run_s) & (at_s >= latest_s)
                if not now.any():
                    continue
                next_hop = np.where(now, other.next_hop, next_hop)
                latest_s = np.where(now, at_s, latest_s)
            return epoch if next_hop is epoch.next_hop else replace(epoch, next_hop=next_hop)

    def history(self) -> History:
        """The log as it stands now."""
        with self._lock:
            known = len(self._epochs)
            return History(
                np.array([since_s for since_s, _ in self._epochs], dtype=np.float64),
                (*(epoch for _, epoch in self._epochs), *(epoch for _, epoch in self._adopted)),
                {node: _frozen(intervals) for node, intervals in self._dark.items() if intervals},
                _frozen(self._down),
                {
                    way: Steps(np.array([since_s for since_s, _ in steps]), tuple(c for _, c in steps))
                    for way, steps in self._conditions.items()
                },
                tuple((at_s, known + i) for i, (at_s, _) in enumerate(self._adopted)),
                Partitions(
                    np.array([since_s for since_s, _ in self._cuts]), tuple(cuts for _, cuts in self._cuts)
                ),
            )


def _open(intervals: list[list[float]], run_s: float) -> None:
    if not intervals or run_s > intervals[-1][1]:
        intervals.append([run_s, np.inf])
    else:  # it is not over: of two who keep a node dark, one is heard of after the other's beginning, or its end
        last, before_s = intervals[-1], intervals[-2][1] if len(intervals) > 1 else -np.inf
        last[:] = max(before_s, min(last[0], run_s)), np.inf


def _close(intervals: list[list[float]], run_s: float) -> None:
    if intervals and intervals[-1][1] == np.inf:
        assert run_s >= intervals[-1][0], "faults are recorded in order of time"
        intervals[-1][1] = run_s


def _frozen(intervals: list[list[float]]) -> Intervals:
    bounds = np.array(intervals, dtype=np.float64).reshape(-1, 2)
    return Intervals(bounds[:, 0], bounds[:, 1])
