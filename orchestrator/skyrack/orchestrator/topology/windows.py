"""Windows: one period of the epoch grid, its lasers and the seconds at which the set of lit ones changes.

pattern --> pairs --> cut: in sight, range, pointing (`able`) --> acquire: who carries light (`lit`)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.topology.acquisition import Acquisitions, Sighted
from skyrack.orchestrator.topology.sight import LaserLimits, States

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
    each part. `share` (g, 2): of the rate of ground links, up and down; None for all of it. `acquisitions`: those that
    begin in the window or are under way at its start.
    """

    pairs: Indices
    bounds_s: tuple[float, ...]
    lit: Flags
    station: Indices
    satellite: Indices
    acquisitions: Acquisitions
    share: Floats | None = None

    def part_at(self, t_s: float) -> int:
        """The part that holds instant `t_s` of the window."""
        return max(int(np.searchsorted(self.bounds_s, t_s, side="right")) - 1, 0)


def cut(
    pairs: Indices, t0_s: float, t1_s: float, states_at: Callable[[float], States], limits: LaserLimits
) -> Sighted:
    """Who is able to carry light in each part of a period, at a resolution of one second from its start.

    A laser counts as able over a second if it is at both ends.
    """
    bounds_s: list[float] = []
    able: list[Flags] = []
    for first in range(0, math.ceil(t1_s - t0_s), _STRETCH_S):
        end_s = min(t0_s + first + _STRETCH_S, t1_s)
        for start_s, flags in _stretch(pairs, t0_s + first, end_s, states_at, limits):
            if not able or (flags != able[-1]).any():
                bounds_s.append(start_s)
                able.append(flags)
    return Sighted(pairs, (*bounds_s, t1_s), np.array(able))


def launched(period: Sighted, since_s: Floats) -> Sighted:
    """Who is able of those that are there: satellites (n,) have lasers from `since_s` on."""
    begins_s = since_s[period.pairs].max(axis=1, initial=-np.inf)
    t0_s, t1_s = period.bounds_s[0], period.bounds_s[-1]
    if (begins_s <= t0_s).all():
        return period
    within = begins_s[(begins_s > t0_s) & (begins_s < t1_s)]
    bounds_s: list[float] = []
    able: list[Flags] = []
    for at_s in sorted({*period.bounds_s[:-1], *within.tolist()}):
        part = int(np.searchsorted(period.bounds_s, at_s, side="right")) - 1
        flags = period.able[part] & (begins_s <= at_s)
        if not able or (flags != able[-1]).any():
            bounds_s.append(at_s)
            able.append(flags)
    return Sighted(period.pairs, (*bounds_s, t1_s), np.array(able))


def _stretch(
    pairs: Indices, t0_s: float, t1_s: float, states_at: Callable[[float], States], limits: LaserLimits
) -> Iterator[tuple[float, Flags]]:
    """(start, able) of each second in which lasers may differ from the second before.

    Most lasers stay far from their limits for a whole stretch; only those that could reach them at the highest speed
    are looked at second by second.
    """
    start = states_at(t0_s)
    steady, dark = _settled(start, pairs, t1_s - t0_s, limits)
    near = np.nonzero(~(steady | dark))[0]
    if not len(near):
        yield t0_s, steady
        return
    a, b = pairs[near, 0], pairs[near, 1]
    instants_s = [t0_s + second for second in range(math.ceil(t1_s - t0_s))] + [t1_s]
    before = limits.able(start, a, b)
    for start_s, end_s in pairwise(instants_s):
        after = limits.able(states_at(end_s), a, b)
        flags = steady.copy()
        flags[near] = before & after
        yield start_s, flags
        before = after


def _settled(start: States, pairs: Indices, span_s: float, limits: LaserLimits) -> tuple[Flags, Flags]:
    """Which lasers are able, and which are dark, throughout `span_s` whatever happens."""
    a, b = pairs[:, 0], pairs[:, 1]
    clearance_km, within_km = limits.margins_km(start.r_km[a], start.r_km[b])
    change_km = _FASTEST_KM_S * span_s
    steady = (clearance_km > change_km) & (within_km > 2.0 * change_km)
    dark = (clearance_km < -change_km) | (within_km < -2.0 * change_km)
    if limits.pointing_rad_s is not None:
        spare_rad_s, change_rad_s2 = limits.pointing_margin_rad_s(start, a, b)
        # Twice the bound, which itself grows on the way: not to be trusted once a line may turn by a quarter radian.
        change_rad_s = 2.0 * change_rad_s2 * span_s
        trusted = change_rad_s2 * span_s**2 < 0.06
        steady &= trusted & (spare_rad_s > change_rad_s)
        dark |= trusted & (spare_rad_s < -change_rad_s)
    return steady, dark
