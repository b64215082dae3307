"""What a laser pattern is given and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.topology.sight import LaserLimits, States

Indices = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Sky:
    """What a pattern may look at: an instant, never the past, so that a restart chooses the same lasers.

    The instant `states` holds at is the beginning of period `number` of the epoch grid; where the scenario lets
    choices stay for several periods, that of the last choice. `grid_pairs` (m, 2) are the +Grid neighbours of every
    shell; `shell`, `plane` and `slot` (n,) are -1 where a satellite belongs to no grid; `still` (n,) marks the
    geostationary ones.
    """

    number: int
    states: States
    grid_pairs: Indices
    shell: Indices
    plane: Indices
    slot: Indices
    still: NDArray[np.bool_]
    limits: LaserLimits
    lasers_per_satellite: int

    @property
    def in_grid(self) -> NDArray[np.bool_]:
        return self.plane >= 0

    @property
    def ascending(self) -> NDArray[np.bool_]:
        """Who flies northward (n,)."""
        return self.states.v_km_s[:, 2] > 0.0

    def along_and_across(self) -> tuple[Indices, Indices]:
        """The grid's pairs within planes, and those across as (west, east): east is the next plane, plane 0 the last's."""
        a, b = self.grid_pairs[:, 0], self.grid_pairs[:, 1]
        along = self.plane[a] == self.plane[b]
        across = self.grid_pairs[~along]
        seam = np.abs(self.plane[across[:, 1]] - self.plane[across[:, 0]]) > 1
        west_first = (self.plane[across[:, 0]] < self.plane[across[:, 1]]) ^ seam
        return self.grid_pairs[along], np.where(west_first[:, np.newaxis], across, across[:, ::-1])


class LaserPattern(Protocol):
    """Chooses who points lasers at whom over one epoch.

    Returns undirected pairs (m, 2), lower index first, sorted, each once, at most `lasers_per_satellite` of each
    satellite. Pairs without line of sight may be included: they are lit when it is there.
    """

    def __call__(self, sky: Sky) -> NDArray[np.int32]: ...
