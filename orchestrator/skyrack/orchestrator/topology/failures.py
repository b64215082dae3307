"""What is out of service beside what the orbits say: nodes and links, and nodes to be led around."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Failures:
    """Nodes that are dark, and pairs (a < b) whose link is.

    `drained`: nodes that are drained. Routes lead to them, and through them only where there is no other way.
    """

    nodes: frozenset[int] = frozenset()
    links: frozenset[tuple[int, int]] = frozenset()
    drained: frozenset[int] = frozenset()

    def parts(self) -> list[Failures]:
        """Each node and each link for itself, in order."""
        return [
            *(Failures(nodes=frozenset({node})) for node in sorted(self.nodes)),
            *(Failures(links=frozenset({link})) for link in sorted(self.links)),
            *(Failures(drained=frozenset({node})) for node in sorted(self.drained)),
        ]

    def without(self, others: Failures) -> Failures:
        """What of it is not among others."""
        return Failures(self.nodes - others.nodes, self.links - others.links, self.drained - others.drained)

    def within(self, others: Failures) -> bool:
        """Whether all of it is among others."""
        return self.without(others) == NO_FAILURES

    def detour_s(self, a: NDArray[np.int32], b: NDArray[np.int32]) -> NDArray[np.float64]:
        """What each link (m,) counts as longer by, so that nothing is led through drained nodes that can go another way."""
        if not self.drained:
            return np.zeros(len(a))
        ends = np.fromiter(self.drained, dtype=np.int32)
        return DETOUR_S * (np.isin(a, ends).astype(np.float64) + np.isin(b, ends))

    def spare(self, a: NDArray[np.int32], b: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Whether each link (m,) between `a` and `b` (a < b) is in service."""
        spared = np.ones(len(a), dtype=np.bool_)
        if self.nodes:
            out = np.fromiter(self.nodes, dtype=np.int32)
            spared &= ~(np.isin(a, out) | np.isin(b, out))
        if self.links:
            cut = np.array([first << 32 | second for first, second in self.links], dtype=np.int64)
            spared &= ~np.isin(a.astype(np.int64) << 32 | b, cut)
        return spared


# Longer than any way: as the largest metric that a router gives its links when it is to carry nothing (RFC 6987).
DETOUR_S: Final = 10.0
NO_FAILURES: Final = Failures()


def union(parts: Iterable[Failures]) -> Failures:
    """All of them together."""
    nodes, links, drained = set[int](), set[tuple[int, int]](), set[int]()
    for part in parts:
        nodes |= part.nodes
        links |= part.links
        drained |= part.drained
    return Failures(frozenset(nodes), frozenset(links), frozenset(drained))
