"""The disturbance of ground links around the boundaries of the grid: when it is, and what it does. Pure.

boundary           T
quiet    ======----|--======     before_s before every boundary and after_s after it
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skyrack.orchestrator.scenario.model.links import Links
from skyrack.orchestrator.topology.grid_clock import GridClock


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Times are orbit seconds. Meanwhile ground links lose `loss_ratio` more of their packets and take `extra_s` longer."""

    clock: GridClock
    before_s: float
    after_s: float
    loss_ratio: float
    extra_s: float

    @classmethod
    def of(cls, links: Links, clock: GridClock) -> Disturbance | None:
        """That of a scenario, None where there is none."""
        extra_s = links.disturbance_extra_ms / 1e3
        before_s, after_s = links.disturbance_before_s, links.disturbance_after_s
        if (links.disturbance_loss_ratio == 0.0 and extra_s == 0.0) or before_s + after_s == 0.0:
            return None
        return cls(clock, before_s, after_s, links.disturbance_loss_ratio, extra_s)

    def holds(self, t_s: ArrayLike) -> NDArray[np.bool_]:
        """Whether instants (m,) are disturbed."""
        since_s = np.mod(np.asarray(t_s, dtype=np.float64) + self.clock.phase_s, self.clock.period_s)
        return (since_s < self.after_s) | (since_s >= self.clock.period_s - self.before_s)

    def edges_s(self, first_s: float, last_s: float) -> list[float]:
        """Instants of [first_s, last_s) at which it begins or ends, in order."""
        numbers = range(self.clock.number_at(first_s), self.clock.number_at(last_s) + 2)
        edges_s = {
            self.clock.boundary_s(number) + by_s
            for number in numbers
            for by_s in (-self.before_s, self.after_s)
        }
        return sorted(edge_s for edge_s in edges_s if first_s <= edge_s < last_s)
