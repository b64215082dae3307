"""How far a battery is worn: (1/30,000) (DoD / 0.30)^1.5 of its life per cycle. Pure.

Cycles are counted by rainflow (ASTM E1049-85, 5.4.4) as the charge goes: a range that was left and come back to is a whole
cycle, what is still open counts as halves. Counted so, wear grows steadily while a cycle is under way.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

CYCLES_AT_REFERENCE = 30_000.0
REFERENCE_DOD = 0.30
EXPONENT = 1.5
SMALLEST_DOD = 0.001  # turns smaller than this are none


def cycle_wear(dod: float) -> float:
    """Share of its life that one cycle of this depth of discharge takes."""
    return float((dod / REFERENCE_DOD) ** EXPONENT / CYCLES_AT_REFERENCE)


@dataclass
class Wear:
    """`turns`: levels of charge (0 to 1) at which it turned and that no whole cycle has used up; last, the present."""

    whole: float = 0.0
    """Of whole cycles, and of halves that nothing will ever make whole."""
    turns: list[float] = field(default_factory=list)

    def follow(self, level: float) -> None:
        """The level now."""
        turns = self.turns
        if not turns:
            turns.append(level)
        elif len(turns) == 1:
            if abs(level - turns[0]) >= SMALLEST_DOD:
                turns.append(level)
        elif (level - turns[-1]) * (turns[-1] - turns[-2]) >= 0.0:
            turns[-1] = level
        elif abs(level - turns[-1]) >= SMALLEST_DOD:
            turns.append(level)
        self._close()

    def _close(self) -> None:
        turns = self.turns
        while len(turns) >= 3 and abs(turns[-1] - turns[-2]) >= abs(turns[-2] - turns[-3]):
            inner = cycle_wear(abs(turns[-2] - turns[-3]))
            if len(turns) == 3:
                self.whole += inner / 2  # it began with the history, which has no other half
                del turns[0]
            else:
                self.whole += inner
                del turns[-3:-1]

    @property
    def ratio(self) -> float:
        """Share of its life that is used up."""
        open_halves = sum(cycle_wear(abs(b - a)) / 2 for a, b in itertools.pairwise(self.turns))
        return self.whole + open_halves


def capacity_ratio(worn: float, worn_capacity_ratio: float) -> float:
    """Capacity left, of that when new: falls evenly to `worn_capacity_ratio` at the end of its life, and on after it."""
    return max(0.0, 1.0 - worn * (1.0 - worn_capacity_ratio))
