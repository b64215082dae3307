"""Storms, and stays over the anomaly that somebody has ordered: over orbit time as spells, and those in force now. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from skyrack.orchestrator.environment.dose import Storm
from skyrack.orchestrator.environment.stays import Stay
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

    @property
    def calm(self) -> bool:
        """Whether there are none."""
        return not self._spells

    def during(self, first_t_s: float, last_t_s: float) -> Spells:
        """Those that have a part in [first_t_s, last_t_s)."""
        return Spells(s for s in self._spells if s.first_t_s < last_t_s and s.last_t_s > first_t_s)

    def factor(self, node: int, t_s: float) -> float:
        """What storms multiply a node's rates by at an instant."""
        return math.prod(spell.factors.get(node, 1.0) for spell in self._at(t_s))

    def inside(self, t_s: float) -> frozenset[int]:
        """Nodes that are to count as over the anomaly at an instant."""
        return frozenset[int]().union(*(spell.inside for spell in self._at(t_s)))

    def edges(self, node: int) -> Iterator[float]:
        """Instants at which something changes for a node."""
        for spell in self._spells:
            if node in spell.factors or node in spell.inside:
                yield from (spell.first_t_s, spell.last_t_s)

    def stays(self, node: int) -> list[Stay]:
        """When a node is to count as over the anomaly; one may have no end."""
        return [(spell.first_t_s, spell.last_t_s) for spell in self._spells if node in spell.inside]

    def storms(self, node: int) -> list[Storm]:
        """For a dose."""
        return [(s.first_t_s, s.last_t_s, s.factors[node]) for s in self._spells if node in s.factors]

    def _at(self, t_s: float) -> Iterator[Spell]:
        return (spell for spell in self._spells if spell.first_t_s <= t_s < spell.last_t_s)


@dataclass(frozen=True, slots=True)
class InForce:
    """At one instant. `factors`: of rates, by node, where storms act. `inside`: nodes that count as over the anomaly."""

    factors: Mapping[int, float] = field(default_factory=dict)
    inside: frozenset[int] = frozenset()

    def factor(self, node: int) -> float:
        """What storms multiply a node's rates by; 1 without one."""
        return self.factors.get(node, 1.0)


CALM: Final = InForce()


def in_force(effects: Iterable[Effect]) -> InForce:
    """What faults with these effects, which act at one time, are to radiation together."""
    factors: dict[int, float] = {}
    inside: frozenset[int] = frozenset()
    for effect in effects:
        for node, factor in effect.radiation.items():
            factors[node] = factors.get(node, 1.0) * factor
        inside |= effect.anomaly
    return InForce(factors, inside)


def spell_of(effect: Effect, first_t_s: float, last_t_s: float) -> Spell | None:
    """What a fault with this effect is to radiation; None where it is nothing."""
    if not effect.radiation and not effect.anomaly:
        return None
    return Spell(first_t_s, last_t_s, effect.radiation, effect.anomaly)
