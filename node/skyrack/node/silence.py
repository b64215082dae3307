"""How long somebody who has to show that he lives has not. Pure.

Time that the one who listens has not lived through itself, because it was stopped or the host slept, does not count: it could
not have heard anything.
"""

from __future__ import annotations

LOOKS = 5  # within the limit
SHORTEST_LOOK_S = 0.02


class Silence:
    """`limit_s`: longer than that is too long; `first_s`: before the first sign, at least as long as the limit."""

    def __init__(self, limit_s: float, first_s: float, now_s: float) -> None:
        self._limit_s = limit_s
        self._at_s = now_s
        self._allowed_s = max(first_s, limit_s)
        self.silent_s = 0.0

    @property
    def look_s(self) -> float:
        """How long to wait between two looks."""
        return max(self._limit_s / LOOKS, SHORTEST_LOOK_S)

    def hear(self, now_s: float) -> None:
        """He lives, or has since the look before."""
        self._at_s = now_s
        self.silent_s = 0.0
        self._allowed_s = self._limit_s

    def look(self, now_s: float) -> bool:
        """Whether it is too long now."""
        self.silent_s += min(now_s - self._at_s, 2.0 * self.look_s)
        self._at_s = now_s
        return self.silent_s > self._allowed_s
