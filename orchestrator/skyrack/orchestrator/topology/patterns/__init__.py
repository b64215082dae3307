"""Laser patterns: which satellites point lasers at each other. A new one is a file here and a line in PATTERNS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from skyrack.orchestrator.topology.patterns import nearest, plus_grid, ring_diagonal, tri_grid
from skyrack.orchestrator.topology.patterns.pattern import LaserPattern, Sky

PATTERNS: Final[Mapping[str, LaserPattern]] = {
    "plus-grid": plus_grid.pairs,
    "nearest": nearest.pairs,
    "ring-diagonal": ring_diagonal.pairs,
    "tri-grid": tri_grid.pairs,
}

__all__ = ["PATTERNS", "LaserPattern", "Sky"]
