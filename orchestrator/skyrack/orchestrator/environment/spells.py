"""Spells of other rates of radiation: storms, and stays over the anomaly that somebody has ordered. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from skyrack.orchestrator.environment.dose import Storm
from skyrack.orchestrator.faults.effect import Effect


@dataclass(frozen=True, slots=True)
class Spell:
    """Over [first_t_s, last_t_s) of orbit time. `factors`: of rates, by node. `inside`: nodes that are over the anomaly."""

    first_t_s: float
    last_t_s: float
    factors: Mapping[int, float] = field(default_factory=dict)
    inside: frozenset[int] = frozenset()


class Spells:
    """All that are known of. Factors of storms at one time multiply."""

    def __init__(self, spells: Iterable[Spell] = ()) -> None:
        self._spells = [spell for spell in spells if spell.last_t_s > spell.first_t_s]

    def during(self, first_t_s: float, last_t_s: float) -> Spells:
        """Those that have a part in [first_t_s, last_t_s)."""
        return Spells(s for s in self._spells if s.first_t_s < last_t_s and s.last_t_s > first_t_s)

    def factor(self, node: int, t_s: float) -> float:
        """What storms multiply a node's rates by at an instant."""
        return math.prod(spell.factors.get(node, 1.0) for spell in self._at(t_s))

    def inside(self, node: int, t_s: float) -> bool:
        """Whether a node is to count as over the anomaly."""
        return any(node in spell.inside for spell in self._at(t_s))

    def highest(self, node: int) -> float:
        """No less than any factor there will be."""
        return math.prod(max(1.0, spell.factors.get(node, 1.0)) for spell in self._spells)

    def ever_inside(self, node: int) -> bool:
        """Whether a node is at some time."""
        return any(node in spell.inside for spell in self._spells)

    def edges(self, node: int) -> Iterator[float]:
        """Instants at which something changes for a node."""
        for spell in self._spells:
            if node in spell.factors or node in spell.inside:
                yield from (spell.first_t_s, spell.last_t_s)

    def storms(self, node: int) -> list[Storm]:
        """For a dose."""
        return [(s.first_t_s, s.last_t_s, s.factors[node]) for s in self._spells if node in s.factors]

    def _at(self, t_s: float) -> Iterator[Spell]:
        return (spell for spell in self._spells if spell.first_t_s <= t_s < spell.last_t_s)


def spell_of(effect: Effect, first_t_s: float, last_t_s: float) -> Spell | None:
    """What a fault with this effect is to radiation; None where it is nothing."""
    if not effect.radiation and not effect.anomaly:
        return None
    return Spell(first_t_s, last_t_s, effect.radiation, effect.anomaly)
