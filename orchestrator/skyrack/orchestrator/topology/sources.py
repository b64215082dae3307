"""Which occurrences a scenario has: the one list of their sources."""

from __future__ import annotations

from collections.abc import Callable

from skyrack.orchestrator.environment.designs import designs_of
from skyrack.orchestrator.environment.outcomes import exposed
from skyrack.orchestrator.environment.passes import Passes, PassSource, anomaly_dwell
from skyrack.orchestrator.environment.radiation import RadiationSource
from skyrack.orchestrator.environment.spells import Spells
from skyrack.orchestrator.faults.occurrence import Source
from skyrack.orchestrator.topology.atlas import atlas_of
from skyrack.orchestrator.topology.geometry import Geometry


def sources_of(geometry: Geometry, spells: Callable[[], Spells] = Spells) -> list[Source]:
    """Every source that the scenario's sections ask for; none without such a section.

    `spells`: what is known of storms at the time. Raises FaultProblem, Unknown.
    """
    return [*_radiation(geometry, spells)]


def _radiation(geometry: Geometry, spells: Callable[[], Spells]) -> list[Source]:
    scenario = geometry.scenario
    if scenario.radiation is None:
        return []
    designs = designs_of(scenario.hardening, atlas_of(geometry), scenario.seed)
    dwell, names, passes = anomaly_dwell(geometry), geometry.names, Passes(geometry)
    there = [node for node in geometry.inhabited.tolist() if node < geometry.n_sat]
    nodes = [exposed(node, names[node], scenario.radiation, designs[node], dwell[node]) for node in there]
    return [PassSource(passes, there, names), RadiationSource(nodes, passes, spells, scenario.seed)]
