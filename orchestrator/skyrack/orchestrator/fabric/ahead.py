"""Orders told ahead of the orbits, until they are told otherwise: a clock that is paused or jumps takes them back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import inf

from skyrack.orchestrator.fabric.engine import Engine


@dataclass(slots=True)
class _Batch:
    """Orders told between two recalls. `until_s`: those for later instants are void."""

    until_s: float = inf


class Ahead:
    """Carries out orders among the packets, as `engine.at`, but for those that have been recalled meanwhile."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._batch = _Batch()

    def at(self, time_s: float, action: Callable[[float], None]) -> None:
        """Run `action(time_s)` in its place, unless a recall comes first."""
        self._engine.at(time_s, partial(_unless_void, self._batch, action))

    def recall(self, after_s: float) -> None:
        """What was told so far for instants after `after_s` is void. Instants of recalls do not go back."""
        self._batch.until_s = after_s
        self._batch = _Batch()


def _unless_void(batch: _Batch, action: Callable[[float], None], at_s: float) -> None:
    if at_s <= batch.until_s:
        action(at_s)
