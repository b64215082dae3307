"""Ways in force, as they are with nothing else under way: what transfers take, and whether a bundle has to wait."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from skyrack.orchestrator.routing.idle import NoWayError, Way, way
from skyrack.orchestrator.routing.link_model import LinkModel
from skyrack.orchestrator.runtime.basis import Basis
from skyrack.orchestrator.runtime.feed import Feed


class IdleWays:
    """Reads what is in force. Nodes are indices."""

    def __init__(self, basis: Basis, feed: Feed) -> None:
        self._clock = basis.clock
        self._timeline = basis.timeline
        self._geometry = basis.geometry
        self._model = LinkModel.of(basis.scenario)
        self._feed = feed

    def at(self, run_s: float, a: int, b: int) -> Way:
        """The way in force at a run time. Raises NoWayError."""
        epoch = self._feed.oracle.epoch_at(run_s)
        if epoch is None:
            raise NoWayError("no route is in force yet")
        delay_s = self._geometry.delay_s(epoch.a, epoch.b, self._timeline.t_s(run_s))
        return way(epoch, delay_s, self._model, self._geometry.names, a, b)

    def joined(self, a: int, b: int) -> bool:
        """Whether a way leads from `a` to `b` now that nothing is known to have cut."""
        try:
            path = self.at(self._clock.run_s(), a, b).path
        except NoWayError:
            return False
        told = self._feed.told
        ends = np.array([sorted(hop) for hop in pairwise(path)], dtype=np.int32)
        return bool(told.spare(ends[:, 0], ends[:, 1]).all())
