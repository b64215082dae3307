"""Which transfers tell the rate of every way, and what they tell. A way is one direction of a link. Pure.

    london>tokyo   london p2s10 p3s10 p3s09 tokyo     a transfer takes as long as the slowest of its ways makes it
    p3s10>tokyo           ...   p3s10 p3s09 tokyo     a way is as fast as the fastest transfer over it shows

Transfers that share a way would share its rate, so those that run at the same time share none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from skyrack.orchestrator.measure.conformance import Kind, Quantity, Row

Pair = tuple[str, str]
Path = Sequence[str]
Way = tuple[str, str]

RATE_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class Crossing:
    """One measurement along a path. `measured_bps` is None where there was none; `note` says why.

    `tolerance`: as a share of the rate.
    """

    path: tuple[str, ...]
    expected_bps: float
    measured_bps: float | None
    note: str = ""
    tolerance: float = RATE_TOLERANCE

    @property
    def off(self) -> float:
        """Relative error without its sign; infinite without a measurement."""
        if self.measured_bps is None:
            return float("inf")
        return abs(self.measured_bps / self.expected_bps - 1.0)

    @property
    def holds(self) -> bool:
        """Whether the rate is the expected one."""
        return self.off <= self.tolerance


def cover(paths: Mapping[Pair, Path], wanted: Collection[Way]) -> list[Pair]:
    """Few pairs whose paths together cross every wanted way that any path crosses: those with most of what is left first."""
    left = set(wanted)
    ways = {pair: set(pairwise(path)) & left for pair, path in paths.items()}
    chosen = []
    while ways:
        pair = max(ways, key=lambda pair: len(ways[pair]))
        gained = ways.pop(pair)
        if not gained:
            break
        chosen.append(pair)
        left -= gained
        ways = {other: rest for other, found in ways.items() if (rest := found & left)}
    return chosen


def rounds(paths: Mapping[Pair, Path]) -> list[list[Pair]]:
    """The pairs in groups in which no two paths share a way."""
    groups: list[tuple[set[Way], list[Pair]]] = []
    for pair, path in paths.items():
        ways = set(pairwise(path))
        for taken, group in groups:
            if not ways & taken:
                taken |= ways
                group.append(pair)
                break
        else:
            groups.append((ways, [pair]))
    return [group for _, group in groups]


def way_rows(crossings: Iterable[Crossing]) -> Iterator[Row]:
    """A row per way: the best of the measurements along paths that cross it."""
    best: dict[Way, tuple[Crossing, int]] = {}
    for crossing in crossings:
        for way in pairwise(crossing.path):
            known, count = best.get(way, (crossing, 0))
            best[way] = (min(known, crossing, key=lambda one: one.off), count + 1)
    for (a, b), (crossing, count) in sorted(best.items()):
        yield _row("way", f"{a}>{b}", "rate", crossing, count)


def train_row(pair: Pair, crossing: Crossing) -> Row:
    """The best of a pair's packet trains."""
    return _row("pair", f"{pair[0]}>{pair[1]}", "train", crossing, 1)


def _row(kind: Kind, name: str, quantity: Quantity, crossing: Crossing, count: int) -> Row:
    expected, measured = crossing.expected_bps, crossing.measured_bps
    error = None if measured is None else measured - expected
    ok = None if measured is None else crossing.holds
    note = crossing.note if ok is not False else f"{crossing.off:.1%} off"
    return Row(kind, name, quantity, expected, measured, error, "bit/s", count, ok, note)
