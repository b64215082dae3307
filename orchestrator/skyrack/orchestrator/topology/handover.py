"""How links change hands at planned instants: who is lit but no longer routed, and who does not carry yet. Pure.

    boundary                        T
    make-before-break    old link   #########~~~~~~......      # carries   ~ lit, not routed   . dark
                         new link   .........#############
    break-before-make    old link   #########.............
                         new link   .........______#######      _ in its gap
    a laser that closes  laser      ######~~~.............

A window's parts are cut into pieces where that changes. Nothing is remembered: a piece is a function of its window and the
windows beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.scenario.model.links import Links
from skyrack.orchestrator.topology.windows import Window

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Indices = NDArray[np.int32]

# Instants closer than this are the same: sums of seconds differ by rounding.
_SAME_S = 1e-3
_NOBODY: Indices = np.empty(0, dtype=np.int32)


@dataclass(frozen=True, slots=True)
class HandoverRules:
    """`overlap_s` for which an old ground link stays lit, `gap_s` that a new one takes, `leave_s` before a laser closes.

    `stations` (g,): those whose ground links change hands so; at others links come and go at the boundary.
    """

    overlap_s: float
    gap_s: float
    leave_s: float
    stations: Flags

    @classmethod
    def of(cls, links: Links, antennas: Sequence[int | None]) -> HandoverRules:
        """Those of a scenario, `antennas` by station. Unless it says how, only stations that have to choose hand over."""
        made_first = links.handover != "break-before-make"
        chooses = np.array([one is not None for one in antennas], dtype=np.bool_)
        return cls(
            links.handover_overlap_s if made_first else 0.0,
            0.0 if made_first else links.handover_gap_s,
            links.laser_leave_s,
            chooses if links.handover is None else np.ones(len(antennas), dtype=np.bool_),
        )

    @property
    def hands_over(self) -> bool:
        """Whether ground links of any station overlap or have gaps."""
        return bool(self.stations.any()) and max(self.overlap_s, self.gap_s) > 0.0


@dataclass(frozen=True, slots=True)
class GroundLinks:
    """Ground links (g,) that are lit; `share` (g, 2) of the rate, up and down, None for all of it; `routed` (g,)."""

    station: Indices
    satellite: Indices
    share: Floats | None
    routed: Flags


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A stretch [t0_s, t1_s) of one part of a window, with its links.

    Of the window's own: `leaving` lasers (m,) are lit and not routed, `waiting` ground links (g,) are in their gap. Beside
    them the window before has left `old_station`, `old_satellite` (k,) with `old_share` (k, 2), lit and not routed.
    """

    t0_s: float
    t1_s: float
    part: int
    leaving: Flags
    waiting: Flags
    old_station: Indices
    old_satellite: Indices
    old_share: Floats | None

    def ground(self, window: Window) -> GroundLinks:
        """The ground links that are lit: those of the window that carry, then those that the window before has left."""
        own = ~self.waiting
        station, satellite = window.station[own], window.satellite[own]
        share, old = window.share, len(self.old_station)
        if share is not None or self.old_share is not None:
            whole = np.ones((len(own), 2)) if share is None else share
            left = np.ones((old, 2)) if self.old_share is None else self.old_share
            share = np.concatenate([whole[own], left])
        return GroundLinks(
            np.concatenate([station, self.old_station]),
            np.concatenate([satellite, self.old_satellite]),
            share,
            np.repeat([True, False], [len(station), old]),
        )

    def holds(self, window: Window, station: int, satellite: int) -> bool:
        """Whether the ground link is lit."""
        own = (window.station == station) & (window.satellite == satellite) & ~self.waiting
        return bool(own.any()) or self.is_old(station, satellite)

    def is_old(self, station: int, satellite: int) -> bool:
        """Whether the ground link is lit only for what is still under way."""
        return bool(((self.old_station == station) & (self.old_satellite == satellite)).any())


def pieces(
    rules: HandoverRules, window: Window, before: Callable[[], Window], after: Callable[[], Window]
) -> tuple[Piece, ...]:
    """The pieces of a window in order; the windows before and after are asked for only where they matter."""
    t0_s = window.bounds_s[0]
    old_station, old_satellite, old_share = _NOBODY, _NOBODY, None
    fresh = np.zeros(len(window.station), dtype=np.bool_)
    until_s: list[float] = []
    if rules.hands_over:
        earlier = before()
        old, new = _keys(earlier.station, earlier.satellite), _keys(window.station, window.satellite)
        if rules.overlap_s > 0.0:
            left = ~np.isin(old, new) & rules.stations[earlier.station]
            old_station, old_satellite = earlier.station[left], earlier.satellite[left]
            old_share = earlier.share[left] if earlier.share is not None else None
            until_s += [t0_s + rules.overlap_s] if left.any() else []
        else:
            fresh = ~np.isin(new, old) & rules.stations[window.station]
            until_s += [t0_s + rules.gap_s] if fresh.any() else []
    closings = list(_closings(window, after(), rules.leave_s)) if rules.leave_s > 0.0 else []
    wanted = until_s + [at_s - rules.leave_s for at_s, _ in closings]
    found = []
    for first_s, last_s in pairwise(_cuts(window.bounds_s, wanted)):
        middle_s = (first_s + last_s) / 2.0
        part = window.part_at(middle_s)
        leaving = np.zeros(len(window.pairs), dtype=np.bool_)
        for at_s, closes in closings:
            if at_s - rules.leave_s < middle_s < at_s:
                leaving |= closes
        leaving &= window.lit[part]
        overlaps = bool(until_s) and middle_s < until_s[0]
        waiting = fresh if overlaps else np.zeros_like(fresh)
        left_behind = (old_station, old_satellite, old_share) if overlaps else (_NOBODY, _NOBODY, None)
        found.append(Piece(first_s, last_s, part, leaving, waiting, *left_behind))
    return tuple(found)


def piece_at(found: Sequence[Piece], t_s: float) -> Piece:
    """The one of a window's pieces that holds instant `t_s` of it."""
    return next((piece for piece in reversed(found) if piece.t0_s <= t_s), found[0])


def _closings(window: Window, after: Window, leave_s: float) -> Iterator[tuple[float, Flags]]:
    """When lasers of the window (m,) close, in it, at its end, or so soon after it that routes leave them in it."""
    for part, at_s in enumerate(window.bounds_s[1:-1]):
        closes = window.lit[part] & ~window.lit[part + 1]
        if closes.any():
            yield at_s, closes
    lit = window.lit[-1]
    here, there = _keys(*window.pairs.T), _keys(*after.pairs.T)
    for at_s, flags in zip(after.bounds_s, after.lit, strict=False):
        if at_s - leave_s >= window.bounds_s[-1]:
            return
        stays = np.isin(here, there[flags])
        if (closes := lit & ~stays).any():
            yield at_s, closes
        lit = lit & stays


def _cuts(bounds_s: Sequence[float], wanted_s: Sequence[float]) -> list[float]:
    """The bounds with those wanted instants between them that are not the same as one already there."""
    cuts_s = list(bounds_s)
    for at_s in sorted(wanted_s):
        if bounds_s[0] < at_s < bounds_s[-1] and min(abs(at_s - one) for one in cuts_s) > _SAME_S:
            cuts_s.append(at_s)
    return sorted(cuts_s)


def _keys(first: Indices, second: Indices) -> NDArray[np.int64]:
    return first.astype(np.int64) << 32 | second
