"""Planes and slots of satellites that come from catalogue files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from skyrack.orchestrator.orbit.elements import Element
from skyrack.orchestrator.orbit.grid import Grid


@dataclass(frozen=True, slots=True)
class Inferred:
    """The same satellites with planes and slots where they could be told, the grids, and a line about it."""

    elements: tuple[Element, ...]
    grids: tuple[Grid, ...]
    note: str


def infer_grids(elements: Sequence[Element], start: datetime, *, first_shell: int) -> Inferred:
    return Inferred(tuple(elements), (), "no grid; nearest-neighbour lasers")
