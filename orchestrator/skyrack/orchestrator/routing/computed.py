"""The computed round-trip time: what a probe should have taken, the yardstick of every fidelity figure.

    sent at r --> at each node: dark? --> next hop in force --> + bytes / rate --> + distance / c at that instant --+
                    |                       |                                                                       |
                    lost                    none: lost               <----------- arrival at the next node ---------+

A probe is walked hop by hop on its own clock. The route is the one in force when it reaches each node; the distance is
that of the two nodes, by SGP4, at the orbit instant at which it leaves; the reply does the same from the instant the
probe arrives. Each node has the route of what it has heard by then; a fault of a link counts as it is when the probe comes
to it, a cut as it is when the probe or its reply is sent. A link's constants (fibre, stated processing) come on top; no
queueing, no processing of the emulator's own. Nothing is shared with the fabric but the epochs: no linear segments, no
interpolation between knots.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skyrack.orchestrator.orbit.constants import SPEED_OF_LIGHT_KM_S
from skyrack.orchestrator.routing.condition import Condition
from skyrack.orchestrator.routing.force_log import ForceLog, History, Steps, Way
from skyrack.orchestrator.routing.link_model import LinkModel
from skyrack.orchestrator.routing.paths import path_of
from skyrack.orchestrator.timeline import Timeline
from skyrack.orchestrator.topology.epoch import Epoch
from skyrack.orchestrator.topology.geometry import Geometry

Floats = NDArray[np.float64]

_NO_STEPS = Steps(np.empty(0), ())
# Default time to live inside the mesh; the longest path of a large constellation has some 74 hops.
_MOST_HOPS = 255


@dataclass(frozen=True, slots=True)
class Computed:
    """What one probe should take: `rtt_s`, or None and the `reason` why it or its reply is lost.

    `path` holds the nodes on the way out, as far as the probe got. `kept_ratio`: the share of such probes that come back
    where links lose or damage some at random. `slowest_bps`: the slowest link on the way out, in emulated bits.
    """

    rtt_s: float | None
    path: tuple[int, ...]
    reason: str | None
    kept_ratio: float
    slowest_bps: float


def computed_rtt(
    geometry: Geometry,
    log: ForceLog,
    link_model: LinkModel,
    a: int,
    b: int,
    run_s: ArrayLike,
    ip_bytes: ArrayLike,
    timeline: Timeline | None = None,
) -> list[Computed]:
    """What probes of `ip_bytes` (one size, or one per probe) from `a` to `b`, sent at `run_s` (m,), should take.

    The reply has the probe's size. `timeline`: which orbit time it was then; None: the scenario's speed throughout.
    """
    timeline = timeline or Timeline(geometry.scenario.speed)
    sent_s = np.atleast_1d(np.asarray(run_s, dtype=np.float64))
    size = np.broadcast_to(np.asarray(ip_bytes, dtype=np.float64), sent_s.shape)
    history = log.history()
    out = _Flight(geometry, timeline, history, link_model, a, b, sent_s, size)
    out.fly(np.ones(len(sent_s), dtype=np.bool_))
    back = _Flight(geometry, timeline, history, link_model, b, a, out.t_s, size)
    back.fly(out.arrived)
    results = []
    for probe in range(len(sent_s)):
        reason = out.reason.get(probe) or back.reason.get(probe)
        rtt_s = float(back.t_s[probe] - sent_s[probe]) if reason is None else None
        kept_ratio = float(out.kept_ratio[probe] * back.kept_ratio[probe])
        slowest_bps = float(out.slowest_bps[probe])
        results.append(Computed(rtt_s, tuple(out.paths[probe]), reason, kept_ratio, slowest_bps))
    return results


class _Flight:
    """Packets from one node to another, moved hop by hop, all together where they share a hop."""

    def __init__(
        self,
        geometry: Geometry,
        timeline: Timeline,
        history: History,
        model: LinkModel,
        source: int,
        destination: int,
        sent_s: Floats,
        size_bytes: Floats,
    ) -> None:
        self._geometry = geometry
        self._timeline = timeline
        self._history = history
        self._model = model
        self._source = source
        self._destination = destination
        self._sent_s = sent_s
        self._size_bytes = size_bytes
        self.t_s = sent_s.copy()
        self.paths: list[list[int]] = [[source] for _ in sent_s]
        self.reason: dict[int, str] = {}
        self.kept_ratio = np.ones(len(sent_s))
        self.slowest_bps = np.full(len(sent_s), np.inf)
        self.arrived = np.zeros(len(sent_s), dtype=np.bool_)
        self._failed = np.zeros(len(sent_s), dtype=np.bool_)  # lost on a link that is down

    def fly(self, under_way: NDArray[np.bool_]) -> None:
        """Move the packets flagged (m,) until all have arrived or are lost."""
        node = np.full(len(self.t_s), self._source)
        moving = np.nonzero(under_way)[0]
        cut = self._history.cuts.part(self._source, self._destination, self.t_s[moving])
        self._lose(moving[cut], self._cut_off)
        moving = moving[~cut]
        ways = self._ways_to_bare(moving)
        for _ in range(_MOST_HOPS):
            moving = self._not_dark(moving, node)
            there = node[moving] == self._destination
            self.arrived[moving[there]] = True
            moving = moving[~there]
            if not len(moving):
                break
            onward = self._next_nodes(moving, node, ways)
            stuck = onward < 0
            self._lose(moving[stuck], "no route in force")
            moving, onward = moving[~stuck], onward[~stuck]
            self._cross(moving, node, onward, fixed=ways is not None)
            moving = moving[~self._failed[moving]]
        self._lose(moving, f"more than {_MOST_HOPS} hops")
        self._lose_in_fabric_gaps(under_way)

    @property
    def _cut_off(self) -> str:
        names = self._geometry.names
        return f"{names[self._source]} is cut off from {names[self._destination]} by a fault"

    def _next_nodes(
        self, moving: NDArray[np.int_], node: NDArray[np.int_], ways: Mapping[int, Mapping[int, int]] | None
    ) -> NDArray[np.int_]:
        if ways is not None:  # the way to a bare satellite is fixed when the packet enters
            return np.array(
                [ways[probe].get(int(node[probe]), -1) for probe in moving.tolist()], dtype=np.int64
            )
        onward = np.full(len(moving), -1)
        numbers = self._history.epoch_numbers(self.t_s[moving], node[moving])
        for number in np.unique(numbers[numbers >= 0]).tolist():
            epoch = self._history.epochs[number]
            row = epoch.row_of(self._destination)
            if row is not None:
                here = numbers == number
                onward[here] = epoch.next_hop[row, node[moving[here]]]
        return onward

    def _cross(
        self, moving: NDArray[np.int_], node: NDArray[np.int_], onward: NDArray[np.int_], *, fixed: bool
    ) -> None:
        """One hop each. On a way that was `fixed` beforehand a link may have gone dark; routes in force use none that has."""
        for here, there in np.unique(np.stack([node[moving], onward], axis=1), axis=0).tolist():
            group = moving[(node[moving] == here) & (onward == there)]
            came_s = self.t_s[group]
            epochs = self._history.epoch_numbers(came_s, node[group])
            steps = self._history.conditions.get((here, there), _NO_STEPS)
            held = steps.numbers(came_s)
            for number, step in np.unique(np.stack([epochs, held], axis=1), axis=0).tolist():
                alike = group[(epochs == number) & (held == step)]
                epoch = self._history.epochs[number]
                if fixed and epoch.link_of(here, there) is None:
                    self._lose_on_link(alike, (here, there), "is dark")
                    continue
                self._cross_alike(alike, (here, there), epoch.share_of(here, there), steps.at(step))
            for probe in group.tolist():
                self.paths[probe].append(there)
        node[moving] = onward

    def _cross_alike(self, group: NDArray[np.int_], way: Way, share: float, condition: Condition) -> None:
        """Packets that meet one direction of a link in one state."""
        geometry, model = self._geometry, self._model
        if condition.down:
            self._lose_on_link(group, way, "is down by a fault")
            return
        ground, disturbance = max(way) >= geometry.n_sat, geometry.disturbance
        extra_s = np.full(len(group), condition.extra_s)
        if disturbance is not None and min(way) < geometry.n_sat <= max(way):
            disturbed = disturbance.holds(self._timeline.times_s(self.t_s[group]))
            extra_s += np.where(disturbed, disturbance.extra_s, 0.0)
            self.kept_ratio[group] *= np.where(disturbed, 1.0 - disturbance.loss_ratio, 1.0)
        s_per_byte = model.serialisation_s_per_byte(ground=ground, condition=condition, share=share)
        self.kept_ratio[group] *= model.kept_ratio(condition)
        self.slowest_bps[group] = np.minimum(self.slowest_bps[group], 8.0 * model.byte_scale / s_per_byte)
        self.t_s[group] += self._size_bytes[group] * s_per_byte
        if not model.zero_delay:
            straight, constant_s = geometry.delays.constant_s(*way)
            if straight:
                ends_km = geometry.positions_of_km(way, self._timeline.times_s(self.t_s[group]))
                self.t_s[group] += np.linalg.norm(ends_km[:, 0] - ends_km[:, 1], axis=1) / SPEED_OF_LIGHT_KM_S
            self.t_s[group] += constant_s
        self.t_s[group] += extra_s

    def _lose_on_link(self, group: NDArray[np.int_], way: Way, why: str) -> None:
        self._failed[group] = True
        ends = "-".join(self._geometry.names[node] for node in way)
        self._lose(group, f"the link {ends} {why}")

    def _ways_to_bare(self, moving: NDArray[np.int_]) -> Mapping[int, Mapping[int, int]] | None:
        """Per packet its next hops by node, when the destination has no tree; None when it has."""
        history = self._history
        numbers = history.epoch_numbers(self.t_s[moving], np.full(len(moving), self._source))
        bare = [n for n in np.unique(numbers[numbers >= 0]).tolist() if self._is_bare(history.epochs[n])]
        if not bare or self._source == self._destination:
            return None
        by_epoch = {number: self._way(history.epochs[number]) for number in bare}
        return {
            probe: by_epoch.get(number, {})
            for probe, number in zip(moving.tolist(), numbers.tolist(), strict=True)
        }

    def _is_bare(self, epoch: Epoch) -> bool:
        return epoch.row_of(self._destination) is None

    def _way(self, epoch: Epoch) -> Mapping[int, int]:
        if epoch.row_of(self._source) is None:
            return {}
        path = path_of(epoch, self._source, self._destination) or []
        return dict(pairwise(path))

    def _not_dark(self, moving: NDArray[np.int_], node: NDArray[np.int_]) -> NDArray[np.int_]:
        lost = np.zeros(len(moving), dtype=np.bool_)
        for dark_node, intervals in self._history.dark.items():
            here = node[moving] == dark_node
            if here.any():
                gone = here & intervals.hold(self.t_s[moving])
                self._lose(moving[gone], f"{self._geometry.names[dark_node]} is dark")
                lost |= gone
        return moving[~lost]

    def _lose_in_fabric_gaps(self, under_way: NDArray[np.bool_]) -> None:
        flown = np.nonzero(under_way)[0]
        gone = flown[self._history.fabric_down.meet(self._sent_s[flown], self.t_s[flown])]
        self._lose(gone, "the fabric was down")

    def _lose(self, probes: NDArray[np.int_], reason: str) -> None:
        self.arrived[probes] = False
        for probe in probes.tolist():
            self.reason.setdefault(probe, reason)
