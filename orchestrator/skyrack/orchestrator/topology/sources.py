"""Which occurrences a scenario has: the one list of their sources."""

from __future__ import annotations

from skyrack.orchestrator.faults.occurrence import Source
from skyrack.orchestrator.topology.geometry import Geometry


def sources_of(geometry: Geometry) -> list[Source]:
    """Every source that the scenario's sections ask for; none without such a section."""
    return []
