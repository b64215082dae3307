"""The layout of a designed shell: who sits in which plane and slot, and where the grid closes on itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int32]

NO_PAIRS: Indices = np.empty((0, 2), dtype=np.int32)


@dataclass(frozen=True, slots=True)
class Layout:
    """Satellites by plane and slot.

    `satellite` (planes, slots) holds indices, -1 where nobody is. `ring`: the last slot of a plane neighbours its first
    (a whole orbit). `seam`: the last plane neighbours plane 0, `seam_shift` slots further on.
    """

    satellite: Indices
    ring: bool = True
    seam: bool = True
    seam_shift: int = 0

    def neighbours(self) -> Indices:
        """Undirected pairs (m, 2) of +Grid neighbours: along each plane, and slot by slot to the next plane.

        An empty slot is bridged within its plane and leaves a gap across. Small grids repeat pairs or meet themselves:
        the caller cleans up (see `unique_pairs`).
        """
        found = [self._along(plane) for plane in self.satellite]
        found += [
            _across(here, there) for here, there in zip(self.satellite, self.satellite[1:], strict=False)
        ]
        if self.seam:
            found.append(_across(self.satellite[-1], np.roll(self.satellite[0], -self.seam_shift)))
        return np.concatenate(found)

    def kept(self, new_index: Indices) -> Layout:
        """The layout with satellite i called `new_index[i]`, -1 for one that is gone."""
        renumbered = np.append(new_index, np.int32(-1))  # index -1 stays -1
        return replace(self, satellite=renumbered[self.satellite])

    def _along(self, plane: Indices) -> Indices:
        here = plane[plane >= 0]
        pairs = np.stack([here, np.roll(here, -1)], axis=1)
        return pairs if self.ring else pairs[:-1]


def _across(here: Indices, there: Indices) -> Indices:
    both = (here >= 0) & (there >= 0)
    return np.stack([here[both], there[both]], axis=1)


def unique_pairs(pairs: Indices) -> Indices:
    """Pairs (m, 2) sorted, each once, lower index first, without a satellite paired with itself."""
    if not len(pairs):
        return NO_PAIRS
    low, high = pairs.min(axis=1).astype(np.int64), pairs.max(axis=1).astype(np.int64)
    width = int(high.max()) + 1
    keys = np.unique((low * width + high)[low != high])
    return np.stack([keys // width, keys % width], axis=1).astype(np.int32)
