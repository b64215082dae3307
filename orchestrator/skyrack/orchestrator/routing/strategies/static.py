"""static: so many planes across, so many slots along, whatever has become of the links on the way.

    plane  0 1 2 3          planes-first from (0, 0) to (3, 2): across, across, across, along, along
    slot 0 > > > v
         1 . . . v          a link on the way that is dark swallows the packet: nobody looks for another way
         2 . . . x

Towards a ground station the target is the nearest satellite, in steps, that is linked to the station now; a station sends
through the satellite that has the fewest steps left. Every step is one of the shortest number of steps, so there are no
loops. A missing satellite is a hole like a dark link. Shells are not joined.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.orbit.layout import Layout
from skyrack.orchestrator.routing.strategies.protocol import Indices, Strategy, View
from skyrack.orchestrator.scenario.model.routing import Routing
from skyrack.orchestrator.topology.epoch import GROUND

Steps = NDArray[np.int_]

FAR = 1 << 30  # steps to what cannot be reached


def strategy(routing: Routing) -> Strategy:
    """Crosses planes first, or moves along its own first."""
    return Static(planes_first=routing.static_order == "planes-first")


@dataclass(frozen=True, slots=True)
class Static:
    """Dimension-ordered routes on the grids."""

    planes_first: bool = True

    def __call__(self, view: View) -> Indices:
        links = np.sort(_key(view, np.r_[view.a, view.b], np.r_[view.b, view.a]))
        hop = np.full((len(view.destinations), view.n_nodes), -1, dtype=np.int32)
        ground = np.nonzero(view.kind == GROUND)[0]
        for row, destination in enumerate(view.destinations.tolist()):
            steps = np.full(view.n_sat, FAR)
            if destination < view.n_sat:
                self._fill(view, hop[row], steps, np.array([destination]))
            else:
                last = view.a[ground[view.b[ground] == destination]]
                self._fill(view, hop[row], steps, last)
                hop[row, last] = destination
            nodes = np.nonzero(hop[row] >= 0)[0]
            there = _key(view, nodes, hop[row, nodes])
            found = np.minimum(np.searchsorted(links, there), max(len(links) - 1, 0))
            hop[row, nodes[links[found] != there] if len(links) else nodes] = -1
            self._send_up(view, hop[row], steps, ground)
            hop[row, destination] = destination
        return hop

    def _fill(self, view: View, hop: Indices, steps: Steps, targets: NDArray[np.integer]) -> None:
        """Write the next satellite towards the nearest of `targets`, and the steps to it, shell by shell."""
        for grid in view.grids:
            for target in targets.tolist():
                if not len(place := np.argwhere(grid.satellite == target)):
                    continue
                plane, slot = place[0].tolist()
                away, onward = self._towards(grid, plane, slot)
                here = grid.satellite
                nearer = (here >= 0) & (away < np.where(here >= 0, steps[here], 0))
                steps[here[nearer]], hop[here[nearer]] = away[nearer], onward[nearer]

    def _towards(self, grid: Layout, plane: int, slot: int) -> tuple[Steps, Indices]:
        """Steps (planes, slots) to one place of the grid, and the satellite one step on, -1 where nobody is."""
        planes, slots = grid.satellite.shape
        places = np.indices(grid.satellite.shape)
        p, s = places[0:1].reshape(planes, slots), places[1:2].reshape(planes, slots)
        across, along = manhattan(grid, p, s, plane, slot)
        sideways = (across != 0) & (self.planes_first | (along == 0))
        next_p = np.where(sideways, p + np.sign(across), p)
        next_s = np.where(sideways, s, s + np.sign(along))
        next_s = next_s + grid.seam_shift * ((next_p == planes).astype(int) - (next_p == -1))
        onward = grid.satellite[next_p % planes, next_s % slots]
        return np.abs(across) + np.abs(along), np.where((across == 0) & (along == 0), -1, onward)

    def _send_up(self, view: View, hop: Indices, steps: Steps, ground: NDArray[np.int_]) -> None:
        """A station takes the satellite it is linked to with the fewest steps left, the nearer of equals."""
        satellite, station = view.a[ground], view.b[ground]
        order = np.lexsort((view.delay_s[ground], steps[satellite], station))
        first = np.unique(station[order], return_index=True)[1]
        chosen = order[first]
        usable = steps[satellite[chosen]] < FAR
        hop[station[chosen][usable]] = satellite[chosen][usable]


def manhattan(grid: Layout, p: Steps, s: Steps, plane: int, slot: int) -> tuple[Steps, Steps]:
    """Signed planes across and slots along (...) from places (p, s) to (plane, slot), fewest in sum; ties go without wrap."""
    planes, slots = grid.satellite.shape
    half = (slots - 1) // 2
    best_across, best_along = np.zeros_like(p), np.zeros_like(p)
    fewest = np.full(p.shape, FAR)
    for turns in (0, 1, -1) if grid.seam else (0,):
        across = plane - p + turns * planes
        along = slot - s - turns * grid.seam_shift
        if grid.ring:
            along = (along + half) % slots - half
        better = (np.abs(across) + np.abs(along) < fewest) & (np.abs(across) < planes)
        fewest = np.where(better, np.abs(across) + np.abs(along), fewest)
        best_across, best_along = np.where(better, across, best_across), np.where(better, along, best_along)
    return best_across, best_along


def _key(view: View, src: NDArray[np.integer], dst: NDArray[np.integer]) -> NDArray[np.int64]:
    return src.astype(np.int64) * view.n_nodes + dst
