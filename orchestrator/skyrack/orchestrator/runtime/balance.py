"""The trees of a run whose strategy is load-aware, from epoch to epoch.

fabric's counters --measure--> share of each link in use --begin--> trees of the next epoch --> fabric and oracle

What was measured is in the trees that are recorded, so the oracle needs to know nothing of loads. A new fabric begins anew.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.routing.force_log import Way
from skyrack.orchestrator.routing.strategies.load_aware import Held, rebalance
from skyrack.orchestrator.topology.epoch import Epoch
from skyrack.orchestrator.topology.failures import Failures
from skyrack.orchestrator.topology.geometry import Geometry

Floats = NDArray[np.float64]


class Counted(Protocol):
    """The part of a fabric that counts."""

    @property
    def arrays(self) -> Any:
        """Parameters of links by number."""

    async def counters(self, *, links: bool = False) -> dict[str, Any]:
        """Cumulative, with the run time they are of. Raises ConnectionError, TimeoutError."""


class Balance:
    """Holds the trees in force. `measure`, then `begin` with every new epoch."""

    def __init__(self, geometry: Geometry) -> None:
        self._geometry = geometry
        self._keys = geometry.scenario.routing.load_aware
        self._load: Mapping[Way, float] = {}
        self._held: Held | None = None
        self._period: int | None = None
        self._before: tuple[float, Floats] | None = None

    async def measure(self, fabric: Counted) -> None:
        """Take how much of each direction was used since the last time; without an answer the last figures stay."""
        with contextlib.suppress(ConnectionError, TimeoutError):
            counters = await fabric.counters(links=True)
            now_s, sent = float(counters["run_s"]), np.asarray(counters["links"]["bytes"], dtype=np.float64)
            if self._before is not None and now_s > self._before[0]:
                used = utilisation(
                    self._before[1], sent, fabric.arrays["s_per_byte"], now_s - self._before[0]
                )
                busy = np.nonzero(used > 0.0)[0]
                src, dst = fabric.arrays["src"][busy].tolist(), fabric.arrays["dst"][busy].tolist()
                self._load = dict(zip(zip(src, dst, strict=True), used[busy].tolist(), strict=True))
            self._before = now_s, sent

    def begin(self, full: Epoch) -> Epoch:
        """The epoch with the trees to use; trees take their turns with the periods of the grid."""
        clock = self._geometry.grid_clock
        period = clock.number_at((full.t0_s + full.t1_s) / 2.0)
        turn = None if period == self._period else period % self._keys.stagger
        self._period = period
        self._held = rebalance(self._geometry.view(full, load=self._load), self._keys, self._held, turn)
        return self._geometry.drained(replace(full, next_hop=self._held.next_hop))

    def avoiding(self, full: Epoch, failures: Failures) -> Epoch:
        """The same with other trees in place of those that cross what has failed."""
        view = self._geometry.view(full, failures, self._load)
        held = Held.of(full.next_hop)
        avoiding = replace(full, next_hop=rebalance(view, self._keys, held, None).next_hop)
        return self._geometry.drained(avoiding, failures)


def utilisation(before: Floats, after: Floats, s_per_byte: NDArray[np.floating], span_s: float) -> Floats:
    """Share (links,) of a span that each link spent sending, from its bytes before and after; a counter that fell was reset."""
    sent = np.where(after >= before, after - before, after)
    return np.asarray(sent * s_per_byte[: len(sent)] / span_s, dtype=np.float64)
