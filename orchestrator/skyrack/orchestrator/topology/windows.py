"""Windows: one period of the epoch grid, its lasers and the seconds at which the set of lit ones changes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.topology.sight import LaserLimits

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Indices = NDArray[np.int32]

# No satellite is faster than escape speed at the ground; a laser's lowest point moves no faster than its ends.
_FASTEST_KM_S = 11.2
# How far ahead one look at all lasers serves: longer looks leave more of them near a limit.
_STRETCH_S = 15


@dataclass(frozen=True, slots=True)
class Window:
    """A period of the grid: candidate lasers `pairs` (m, 2) and ground links (station, satellite) in force.

    `bounds_s` (k + 1,): the window is cut where the set of lit lasers changes; `lit` (k, m) says who is lit throughout
    each part.
    """

    pairs: Indices
    bounds_s: tuple[float, ...]
    lit: Flags
    station: Indices
    satellite: Indices

    def part_at(self, t_s: float) -> int:
        """The part that holds instant `t_s` of the window."""
        return max(int(np.searchsorted(self.bounds_s, t_s, side="right")) - 1, 0)


def cut(
    pairs: Indices, t0_s: float, t1_s: float, satellites_km: Callable[[float], Floats], limits: LaserLimits
) -> tuple[tuple[float, ...], Flags]:
    """Bounds and lit flags of a window's parts, at a resolution of one second from the window's start.

    A laser counts as lit over a second if it is at both ends.
    """
    bounds_s: list[float] = []
    lit: list[Flags] = []
    for first in range(0, math.ceil(t1_s - t0_s), _STRETCH_S):
        end_s = min(t0_s + first + _STRETCH_S, t1_s)
        for start_s, flags in _stretch(pairs, t0_s + first, end_s, satellites_km, limits):
            if not lit or (flags != lit[-1]).any():
                bounds_s.append(start_s)
                lit.append(flags)
    return (*bounds_s, t1_s), np.array(lit)


def _stretch(
    pairs: Indices, t0_s: float, t1_s: float, satellites_km: Callable[[float], Floats], limits: LaserLimits
) -> Iterator[tuple[float, Flags]]:
    """(start, lit) of each second in which lasers may differ from the second before.

    Most lasers stay far from their limits for a whole stretch; only those that could reach them at the highest speed
    are looked at second by second.
    """
    start_km = satellites_km(t0_s)
    clearance_km, within_km = limits.margins_km(start_km[pairs[:, 0]], start_km[pairs[:, 1]])
    change_km = _FASTEST_KM_S * (t1_s - t0_s)
    steady = (clearance_km > change_km) & (within_km > 2.0 * change_km)
    dark = (clearance_km < -change_km) | (within_km < -2.0 * change_km)
    near = np.nonzero(~(steady | dark))[0]
    if not len(near):
        yield t0_s, steady
        return
    a, b = pairs[near, 0], pairs[near, 1]
    instants_s = [t0_s + second for second in range(math.ceil(t1_s - t0_s))] + [t1_s]
    before = limits.lit(start_km[a], start_km[b])
    for start_s, end_s in pairwise(instants_s):
        end_km = satellites_km(end_s)
        after = limits.lit(end_km[a], end_km[b])
        flags = steady.copy()
        flags[near] = before & after
        yield start_s, flags
        before = after
