"""Satellites that are launched together, and the steps that they go through."""

from __future__ import annotations

from dataclasses import dataclass, replace

from skyrack.orchestrator.lifecycle.passage import Passage, Phase, commissioned

# Number of a shell, and of a plane in it; -1 and the satellite's index where there is none.
Plane = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Losses:
    """So many satellites, `nodes`, are lost as each of them begins a phase."""

    phase: Phase
    nodes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """Satellites that are launched together, `nodes`, each with its plane and its passage. `at_s`: None is on demand."""

    name: str
    nodes: tuple[int, ...]
    planes: tuple[Plane, ...]
    passages: tuple[Passage, ...]
    apart_s: float
    at_s: float | None = None
    losses: Losses | None = None

    def at_once(self) -> Batch:
        """As if all had been launched long ago and wait to be taken into service."""
        return replace(self, passages=tuple(commissioned(self.planes, 0.0, self.apart_s)))

    @property
    def longest_s(self) -> float:
        """From the launch until the last is in service."""
        return max(passage.service_s for passage in self.passages)


@dataclass(frozen=True, slots=True)
class Step:
    """From `t_s` on these satellites of a launch are in a phase; `lost` of them are lost as it begins."""

    t_s: float
    batch: str
    phase: Phase
    nodes: tuple[int, ...]
    lost: tuple[int, ...] = ()
