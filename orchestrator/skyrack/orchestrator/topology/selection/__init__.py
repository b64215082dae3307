"""Which satellites a station's antennas turn to. A new policy is a file here and a line in SELECTIONS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from skyrack.orchestrator.topology.selection import highest_elevation, least_loaded, longest_remaining
from skyrack.orchestrator.topology.selection.policy import Candidates, SelectionPolicy

SELECTIONS: Final[Mapping[str, SelectionPolicy]] = {
    "highest-elevation": highest_elevation.choose,
    "longest-remaining": longest_remaining.choose,
    "least-loaded": least_loaded.choose,
}

__all__ = ["SELECTIONS", "Candidates", "SelectionPolicy"]
