"""Modular redundancy: which of several copies of a task are right. Pure.

One result is right when more than half of the copies have it. A copy that died of a signal, or has not ended in time, has none:
two that crash do not agree on anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a copy ended: with an exit status, by a signal (negative), or not in time (None)."""

    status: int | None
    cpu_s: float = 0.0

    @property
    def votes(self) -> bool:
        """Whether it has a result."""
        return self.status is not None and self.status >= 0


NO_RESULT: Final = Outcome(None)


@dataclass(frozen=True, slots=True)
class Vote:
    """Copies by their index. `agree`: those whose result is taken, empty without a majority; `differ`: all others."""

    agree: tuple[int, ...]
    differ: tuple[int, ...]


def vote(outcomes: Sequence[Outcome], same: Callable[[int, int], bool]) -> Vote:
    """`same`: whether two copies that have ended have printed the same."""
    groups: list[list[int]] = []
    for index, outcome in enumerate(outcomes):
        if not outcome.votes:
            continue
        for group in groups:
            if outcomes[group[0]].status == outcome.status and same(group[0], index):
                group.append(index)
                break
        else:
            groups.append([index])
    agree = next((tuple(group) for group in groups if 2 * len(group) > len(outcomes)), ())
    return Vote(agree, tuple(index for index in range(len(outcomes)) if index not in agree))
