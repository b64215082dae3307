"""What a partition does: from whom nothing reaches whom, whichever way it would go."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cut:
    """Whatever nodes of `sources` send to nodes of `targets` while it is in force is lost."""

    sources: frozenset[int]
    targets: frozenset[int]

    def parts(self, source: int, target: int) -> bool:
        """Whether what `source` sends to `target` is lost."""
        return source in self.sources and target in self.targets
