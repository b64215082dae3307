"""Acquisition: a pair of lasers that is new, or newly in sight, carries light only some seconds later. Pure.

    in sight     ........####################....
    acquiring    ........~~~~~~..................
    carries      ..............##############....

How long is drawn per pair and beginning from the scenario's seed by a counter-based generator: no history is kept.
Looking back `max_s` is enough, because whoever has been in sight longer has light.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Indices = NDArray[np.int32]

# Sums of seconds differ by rounding; instants closer than this are the same second.
_SAME_S = 1e-3


@dataclass(frozen=True, slots=True)
class Sighted:
    """One period of the grid: who points at whom, `pairs` (m, 2), and who could carry light, `able` (k, m).

    `bounds_s` (k + 1,) cut the period where that changes.
    """

    pairs: Indices
    bounds_s: tuple[float, ...]
    able: Flags


@dataclass(frozen=True, slots=True)
class Acquisitions:
    """Pairs (m, 2) that begin at `start_s` (m,) and have light from `ready_s` (m,) if they are still in sight then."""

    pairs: Indices
    start_s: Floats
    ready_s: Floats


class AcquisitionTimes:
    """Seconds drawn uniformly from `min_s` to `max_s`, rounded up to whole ones.

    A satellite enters a draw by its name, so that adding satellites does not change the draws of others.
    """

    def __init__(self, min_s: float, max_s: float, seed: int, names: Sequence[str]) -> None:
        self.min_s, self.max_s = min_s, max_s
        digests = (blake2b(f"{seed} acquisition {name}".encode(), digest_size=8).digest() for name in names)
        self._subject = np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)

    def draw_s(self, pairs: Indices, start_s: float) -> Floats:
        """Seconds (m,) until pairs (m, 2) that begin at `start_s` have light."""
        moment = np.array([round(start_s * 1e3)], dtype=np.int64).view(np.uint64)
        mixed = _mix(self._subject[pairs[:, 0]] ^ _mix(moment))
        mixed = _mix(mixed + self._subject[pairs[:, 1]])
        part = (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return np.asarray(np.ceil(self.min_s + part * (self.max_s - self.min_s)), dtype=np.float64)


def acquire(periods: Sequence[Sighted], times: AcquisitionTimes) -> tuple[Sighted, Acquisitions]:
    """The last of consecutive periods with `able` cut down to who carries light, and the acquisitions that touch it.

    The periods before it must reach `max_s` back; whoever is able at the beginning of the first counts as acquired.
    """
    before, start_s, ready_s = _entered(None, periods[0], None, None)
    cuts: list[tuple[float, float, Flags, Floats]] = []
    seen: list[tuple[Indices, Floats, Floats]] = []
    for number, period in enumerate(periods):
        if number:
            before, start_s, ready_s = _entered(periods[number - 1], period, start_s, ready_s)
        last = number == len(periods) - 1
        if last:
            under_way = before & (ready_s > period.bounds_s[0] + _SAME_S)
            seen.append((period.pairs[under_way], start_s[under_way], ready_s[under_way]))
        for t0_s, t1_s, able in zip(period.bounds_s, period.bounds_s[1:], period.able, strict=False):
            fresh = np.nonzero(able & ~before)[0]
            if len(fresh):
                start_s[fresh] = t0_s
                ready_s[fresh] = t0_s + times.draw_s(period.pairs[fresh], t0_s)
            if last:
                seen.append((period.pairs[fresh], start_s[fresh], ready_s[fresh]))
                cuts.append((t0_s, t1_s, able, ready_s.copy()))
            before = able
    carrying = _cut(periods[-1], cuts)
    pairs, starts, readies = (np.concatenate(column) for column in zip(*seen, strict=True))
    return carrying, Acquisitions(pairs, starts, readies)


def _entered(
    earlier: Sighted | None, period: Sighted, start_s: Floats | None, ready_s: Floats | None
) -> tuple[Flags, Floats, Floats]:
    """Who was able just before a period, since when, and from when with light; by the period's own pairs."""
    count = len(period.pairs)
    if earlier is None or start_s is None or ready_s is None:
        return period.able[0], np.full(count, -np.inf), np.full(count, -np.inf)
    if earlier.pairs is period.pairs or np.array_equal(earlier.pairs, period.pairs):
        return earlier.able[-1], start_s, ready_s
    width = int(max(earlier.pairs.max(initial=0), period.pairs.max(initial=0))) + 1
    old = earlier.pairs[:, 0].astype(np.int64) * width + earlier.pairs[:, 1]
    new = period.pairs[:, 0].astype(np.int64) * width + period.pairs[:, 1]
    _, here, there = np.intersect1d(new, old, assume_unique=True, return_indices=True)
    before = np.zeros(count, dtype=np.bool_)
    starts, readies = np.full(count, -np.inf), np.full(count, -np.inf)
    before[here] = earlier.able[-1][there]
    starts[here], readies[here] = start_s[there], ready_s[there]
    return before, starts, readies


def _cut(period: Sighted, cuts: Sequence[tuple[float, float, Flags, Floats]]) -> Sighted:
    bounds_s: list[float] = []
    carrying: list[Flags] = []
    for t0_s, t1_s, able, ready_s in cuts:
        inner = ready_s[able & (ready_s > t0_s + _SAME_S) & (ready_s < t1_s - _SAME_S)]
        for at_s in (t0_s, *np.unique(inner).tolist()):
            if bounds_s and bounds_s[-1] < at_s <= bounds_s[-1] + _SAME_S:
                continue
            flags = able & (ready_s <= at_s + _SAME_S)
            if not carrying or (flags != carrying[-1]).any():
                bounds_s.append(at_s)
                carrying.append(flags)
    return Sighted(period.pairs, (*bounds_s, period.bounds_s[-1]), np.array(carrying))


def _mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser (Steele, Lea, Flood 2014): every bit of the input moves every bit of the output."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
