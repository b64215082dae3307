"""What a routing strategy is given and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.orbit.layout import Layout

Indices = NDArray[np.int32]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class View:
    """What a strategy may look at, over the epoch that begins at `t_s`: an instant, never the past.

    Links (m,) join `a` to `b`, a < b: satellites, or stations (index n_sat and up), without what has failed as far as is
    known; `delay_s` (m,) is theirs at `t_s`. `through` (n_nodes,): who forwards for others. `load` (m, 2): the share of its
    rate in use, a to b and b to a; 0 where nothing is known. `grids`: plane, slot and seam of every designed shell.
    """

    t_s: float
    n_sat: int
    n_nodes: int
    through: NDArray[np.bool_]
    a: Indices
    b: Indices
    kind: NDArray[np.uint8]
    delay_s: Floats
    load: Floats
    grids: tuple[Layout, ...]
    destinations: Indices


class Strategy(Protocol):
    """Chooses next hops (d, n_nodes) towards the view's destinations (d,), over links of the view alone.

    -1 where a packet for that destination is dropped, the destination itself at the destination; never through a node
    that does not forward, and free of loops when all nodes have the same view.
    """

    def __call__(self, view: View) -> Indices: ...
