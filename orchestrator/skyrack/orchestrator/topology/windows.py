"""Windows: one period of the epoch grid, its lasers and the seconds at which the set of lit ones changes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.topology.sight import LaserLimits

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Indices = NDArray[np.int32]

# No satellite is faster than escape speed at the ground; a laser's lowest point moves no faster than its ends.
_FASTEST_KM_S = 11.2


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
    """Bounds and lit flags of a window's parts, at a resolution of one second.

    A laser counts as lit over a second if it is at both ends. Most lasers stay far from their limits for a whole
    window; only those that could reach them at the highest speed are looked at second by second.
    """
    start_km = satellites_km(t0_s)
    clearance_km, within_km = limits.margins_km(start_km[pairs[:, 0]], start_km[pairs[:, 1]])
    change_km = _FASTEST_KM_S * (t1_s - t0_s)
    steady = (clearance_km > change_km) & (within_km > 2.0 * change_km)
    dark = (clearance_km < -change_km) | (within_km < -2.0 * change_km)
    open_ = np.nonzero(~(steady | dark))[0]
    if not len(open_):
        return (t0_s, t1_s), steady[np.newaxis]
    instants = [t0_s + second for second in range(math.ceil(t1_s - t0_s))] + [t1_s]
    a, b = pairs[open_, 0], pairs[open_, 1]
    at = []
    for instant in instants:
        now_km = satellites_km(instant)
        at.append(limits.lit(now_km[a], now_km[b]))
    over = np.array(at[:-1]) & np.array(at[1:])
    changes = np.nonzero((over[1:] != over[:-1]).any(axis=1))[0] + 1
    firsts = [0, *changes.tolist()]
    lit = np.repeat(steady[np.newaxis], len(firsts), axis=0)
    lit[:, open_] = over[firsts]
    return (*(instants[first] for first in firsts), t1_s), lit
