"""The plan of contacts between nodes that can keep what they are given: those with a process. Pure.

Two such nodes are in contact while the routes of the epochs join them, by however many bare satellites: these forward and
store nothing. Times are run seconds, in which delays and rates are what they are at any speed of the orbits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.routing.contacts import Contact
from skyrack.orchestrator.routing.link_model import LinkModel
from skyrack.orchestrator.timeline import Timeline
from skyrack.orchestrator.topology.epoch import LASER, Epoch
from skyrack.orchestrator.topology.failures import NO_FAILURES, Failures
from skyrack.orchestrator.topology.geometry import Geometry

Floats = NDArray[np.float64]


class ContactPlan:
    """Contacts of what is known to be in service, from run second `from_s` until `known_until_s`, which `grow` moves on.

    One thread at a time. `timeline`: which orbit time it is then; None: the scenario's speed throughout. The delay of a piece
    is the longer of its two ends': nothing comes later than planned.
    """

    def __init__(
        self,
        geometry: Geometry,
        from_s: float,
        failures: Failures = NO_FAILURES,
        timeline: Timeline | None = None,
    ) -> None:
        self.geometry = geometry
        self.failures = failures
        self.from_s = from_s
        self.timeline = timeline or Timeline(geometry.scenario.speed)
        self._model = LinkModel.of(geometry.scenario)
        self._bounds_s = [from_s]
        self._delay_s: list[
            NDArray[np.float32]
        ] = []  # per epoch (d, d), to row from column; infinite: no way
        self._rate_bps: list[NDArray[np.float32]] = []

    @property
    def known_until_s(self) -> float:
        """What begins before this run second is in the plan."""
        return self._bounds_s[-1]

    def grow(self, until_s: float) -> None:
        """Plan as far as `until_s`."""
        while self.known_until_s < until_s:
            t_s = self.timeline.t_s(self.known_until_s)
            epoch = self.geometry.epoch(t_s, self.failures)
            delay_s, rate_bps = self._ways(epoch, t_s)
            self._delay_s.append(delay_s.astype(np.float32))
            self._rate_bps.append(rate_bps.astype(np.float32))
            end_s = self.timeline.run_s(epoch.t1_s)
            # An end that rounding has put where it began would be looked at for ever; a paused clock comes to none.
            end_s = max(end_s, np.nextafter(self.known_until_s, np.inf)) if math.isfinite(end_s) else until_s
            self._bounds_s.append(end_s)

    def contacts(self) -> Iterator[Contact]:
        """Every contact, those under way at the end of what is known cut off there."""
        if not self._delay_s:
            return
        nodes = self.geometry.inhabited.tolist()
        bounds_s = np.array(self._bounds_s)
        delay_s, rate_bps = np.stack(self._delay_s), np.stack(self._rate_bps)
        joined = np.isfinite(delay_s)
        for row, column in np.argwhere(joined.any(axis=0)).tolist():
            if row == column:
                continue
            edges = np.flatnonzero(np.diff(joined[:, row, column], prepend=False, append=False))
            for first, stop in edges.reshape(-1, 2).tolist():
                yield Contact(
                    nodes[column],
                    nodes[row],
                    bounds_s[first : stop + 1],
                    delay_s[first:stop, row, column].astype(np.float64),
                    rate_bps[first:stop, row, column].astype(np.float64),
                )

    def _ways(self, epoch: Epoch, t_s: float) -> tuple[Floats, Floats]:
        """Delay and lowest rate (d, d) of the ways in an epoch, to row from column; infinite delay where there is none."""
        geometry, model, n = self.geometry, self._model, self.geometry.n_nodes
        kind_bps = np.where(epoch.kind == LASER, model.laser_rate_bps, model.ground_rate_bps)
        share = epoch.share if epoch.share is not None else np.ones((len(epoch.a), 2))
        key = np.concatenate([epoch.a.astype(np.int64) * n + epoch.b, epoch.b.astype(np.int64) * n + epoch.a])
        order = np.argsort(key)
        key = key[order]
        light_s = np.zeros(len(epoch.a))
        if not model.zero_delay:
            ends_s = (t_s, epoch.t1_s)
            light_s = np.maximum(*(geometry.delay_s(epoch.a, epoch.b, end_s) for end_s in ends_s))
        light_s = np.tile(light_s, 2)[order]
        rate_bps = (kind_bps[:, np.newaxis] * share).T.reshape(-1)[order]
        d = len(epoch.destinations)
        here = np.tile(epoch.destinations.astype(np.int64), (d, 1))
        goal = here.T
        delay_s, slowest_bps = np.zeros((d, d)), np.full((d, d), np.inf)
        rows = np.arange(d)[:, np.newaxis]
        for _ in range(n):
            onward = epoch.next_hop[rows, here].astype(np.int64)
            moving = (here != goal) & np.isfinite(delay_s)
            delay_s[moving & (onward < 0)] = np.inf
            moving &= onward >= 0
            if not moving.any():
                break
            link = np.searchsorted(key, here[moving] * n + onward[moving])
            delay_s[moving] += light_s[link]
            slowest_bps[moving] = np.minimum(slowest_bps[moving], rate_bps[link])
            here = np.where(moving, onward, here)
        return delay_s, slowest_bps
