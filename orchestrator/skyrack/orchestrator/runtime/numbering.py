"""Stable numbers for links: pair k has the directed links 2k (a to b) and 2k + 1 (b to a).

A pair keeps its number while it is in use, so its queue and counters survive epochs. The number of a pair that has not
been in use for a while is given away only when no fresh one is left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.fabric.engine import NO_LINK
from skyrack.orchestrator.topology.epoch import Epoch


@dataclass(frozen=True)
class NumberedEpoch:
    """Links with numbers: `pairs[i]` numbers (links.a[i], links.b[i]); `fresh` are newly given pairs."""

    links: Epoch
    pairs: NDArray[np.int64]
    fresh: list[int]


class LinkNumbering:
    """Gives numbers to pairs of nodes. Raises OverflowError when more pairs are in use at once than `capacity`."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._number: dict[tuple[int, int], int] = {}
        self._idle: dict[tuple[int, int], None] = {}  # insertion-ordered: idle for longest first

    def of(self, a: int, b: int) -> int | None:
        """The pair's number, if it has one."""
        return self._number.get((a, b))

    def number(self, links: Epoch) -> NumberedEpoch:
        """Number the links of an epoch."""
        wanted = list(zip(links.a.tolist(), links.b.tolist(), strict=True))
        in_use = set(wanted)
        for pair in self._number:
            if pair not in in_use and pair not in self._idle:
                self._idle[pair] = None
        fresh: list[int] = []
        for pair in wanted:
            if pair in self._number:
                self._idle.pop(pair, None)
            else:
                fresh.append(self._give(pair))
        return NumberedEpoch(links, self._pairs(links), fresh)

    def translate(self, epoch: Epoch) -> NDArray[np.uint32]:
        """Next hops (rows x nodes) as numbers of the epoch's links, which have theirs already; NO_LINK for none."""
        return _translate(epoch, self._pairs(epoch))

    def _pairs(self, links: Epoch) -> NDArray[np.int64]:
        return np.array(
            [self._number[pair] for pair in zip(links.a.tolist(), links.b.tolist(), strict=True)], np.int64
        )

    def _give(self, pair: tuple[int, int]) -> int:
        number = len(self._number)
        if number >= self._capacity:
            if not self._idle:
                raise OverflowError(f"more than {self._capacity} links at once")
            retired = next(iter(self._idle))
            del self._idle[retired]
            number = self._number.pop(retired)
        self._number[pair] = number
        return number


def _translate(epoch: Epoch, pairs: NDArray[np.int64]) -> NDArray[np.uint32]:
    """next_hop[row, node] (node indices, -1 none, itself at the destination) as link numbers, else NO_LINK."""
    rows, n = epoch.next_hop.shape
    hop = epoch.next_hop.astype(np.int64)
    if not len(pairs):
        return np.full((rows, n), NO_LINK, np.uint32)
    a, b = epoch.a.astype(np.int64), epoch.b.astype(np.int64)
    keys = np.concatenate([a * n + b, b * n + a])
    order = np.argsort(keys)
    keys, numbers = keys[order], np.concatenate([pairs * 2, pairs * 2 + 1])[order]
    wanted = np.arange(n, dtype=np.int64)[None, :] * n + hop
    found = numbers[np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)]
    nowhere = (hop < 0) | (hop == np.arange(n))
    return np.where(nowhere, NO_LINK, found).astype(np.uint32)
