"""Three terminals: two lasers along the plane and one across, eastward from every other satellite.

    plane p+2   --o---o---o---o--
                  |       |
    plane p+1   --o---o---o---o--
                      |       |
    plane p     --o---o---o---o--

A satellite whose plane and slot add up to an even number points east, the others west, so that every satellite has one
laser across and the rings hold the mesh together: a honeycomb. The seam of a delta fits in when planes and shift add up
to an even number; otherwise nobody points across it, and the mesh still connects the other way round.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.orbit.layout import unique_pairs
from skyrack.orchestrator.topology.patterns.pattern import Sky
from skyrack.orchestrator.topology.patterns.plus_grid import join_others


def pairs(sky: Sky) -> NDArray[np.int32]:
    """Neighbours along planes, and every other one of +Grid's pairs across."""
    along, across = sky.along_and_across()
    even = (sky.plane + sky.slot) % 2 == 0
    chosen = even[across[:, 0]] & ~even[across[:, 1]]
    return join_others(sky, unique_pairs(np.concatenate([along, across[chosen]])))
