"""When a satellite is in the Earth's shadow, as far as it has been told: what it was told before counts as well. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Stretch:
    """A piece of orbit time in which the light is the same; `lit` is None where nobody has said."""

    start_t_s: float
    end_t_s: float
    lit: bool | None


class Sky:
    """Fed by `learn`; what has passed is dropped by `forget`."""

    def __init__(self) -> None:
        self._known: list[tuple[float, float]] = []  # in order, apart from each other
        self._dark: list[tuple[float, float]] = []  # in order

    def learn(self, from_t_s: float, until_t_s: float, dark: Sequence[tuple[float, float]]) -> None:
        """Between these times it is dark during these stays, and lit otherwise."""
        if until_t_s <= from_t_s:
            return
        kept = [(a, min(b, from_t_s)) for a, b in self._dark if a < from_t_s]
        kept += [(max(a, until_t_s), b) for a, b in self._dark if b > until_t_s]
        told = [(max(a, from_t_s), min(b, until_t_s)) for a, b in dark if b > from_t_s and a < until_t_s]
        self._dark = sorted(kept + told)
        merged: list[tuple[float, float]] = []
        for a, b in sorted([*self._known, (from_t_s, until_t_s)]):
            if merged and a <= merged[-1][1]:
                merged[-1] = merged[-1][0], max(b, merged[-1][1])
            else:
                merged.append((a, b))
        self._known = merged

    def forget(self, before_t_s: float) -> None:
        """Nobody will ask for what was before."""
        self._known = [(a, b) for a, b in self._known if b > before_t_s]
        self._dark = [(a, b) for a, b in self._dark if b > before_t_s]

    def stretches(self, start_t_s: float, end_t_s: float, longest_s: float) -> Iterator[Stretch]:
        """From one time to the other, in order; none of which something is known is longer than `longest_s`."""
        edges = {start_t_s, end_t_s}
        edges |= {at for pair in (*self._known, *self._dark) for at in pair if start_t_s < at < end_t_s}
        cuts = sorted(edges)
        for a, b in itertools.pairwise(cuts):
            lit = self.lit((a + b) / 2)
            pieces = 1 if lit is None else max(1, -int(-(b - a) // longest_s))
            for i in range(pieces):
                yield Stretch(a + (b - a) * i / pieces, a + (b - a) * (i + 1) / pieces, lit)

    def lit(self, t_s: float) -> bool | None:
        """Whether the Sun shines on it at an instant."""
        if not any(a <= t_s < b for a, b in self._known):
            return None
        return not any(a <= t_s < b for a, b in self._dark)
