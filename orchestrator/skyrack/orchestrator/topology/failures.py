"""What is out of service without having been planned: nodes and links."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Failures:
    """Nodes that are dark, and pairs (a < b) whose link is."""

    nodes: frozenset[int] = frozenset()
    links: frozenset[tuple[int, int]] = frozenset()

    def parts(self) -> list[Failures]:
        """Each node and each link for itself, in order."""
        return [
            *(Failures(nodes=frozenset({node})) for node in sorted(self.nodes)),
            *(Failures(links=frozenset({link})) for link in sorted(self.links)),
        ]

    def within(self, others: Failures) -> bool:
        """Whether all of it is among others."""
        return self.nodes <= others.nodes and self.links <= others.links

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


NO_FAILURES: Final = Failures()


def union(parts: Iterable[Failures]) -> Failures:
    """All of them together."""
    nodes, links = set[int](), set[tuple[int, int]]()
    for part in parts:
        nodes |= part.nodes
        links |= part.links
    return Failures(frozenset(nodes), frozenset(links))
