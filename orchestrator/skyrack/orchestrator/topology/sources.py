"""Which occurrences a scenario has: the one list of their sources."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from skyrack.orchestrator.environment.absences import Absences
from skyrack.orchestrator.environment.designs import designs_of
from skyrack.orchestrator.environment.outcomes import exposed
from skyrack.orchestrator.environment.passes import Passes, PassSource, anomaly_dwell
from skyrack.orchestrator.environment.radiation import RadiationSource
from skyrack.orchestrator.environment.spells import Spells
from skyrack.orchestrator.environment.stays import Stay
from skyrack.orchestrator.faults.occurrence import Source
from skyrack.orchestrator.lifecycle.ageing import EndOfLife
from skyrack.orchestrator.lifecycle.manoeuvres import Avoidance
from skyrack.orchestrator.topology.atlas import atlas_of
from skyrack.orchestrator.topology.geometry import Geometry


def sources_of(
    geometry: Geometry,
    passes: Passes,
    spells: Callable[[], Spells] = Spells,
    gone: Callable[[], Mapping[int, Sequence[Stay]]] = dict,
) -> list[Source]:
    """Every source that the scenario's sections ask for; none without such a section.

    `passes`: of this geometry. `spells`, `gone`: what is known at the time of storms, and of who is
    lost or retired. Raises FaultProblem, Unknown.
    """
    return [*_radiation(geometry, passes, spells, gone), *_lifecycle(geometry)]


def _lifecycle(geometry: Geometry) -> Iterator[Source]:
    """Of satellites in service, as launches have it at the time."""
    scenario, names = geometry.scenario, geometry.names[: geometry.n_sat]
    if scenario.lifecycle is None:
        return
    if (manoeuvres := scenario.lifecycle.manoeuvres) is not None:

        def in_service(node: int, t_s: float) -> bool:
            return bool(geometry.in_service(t_s)[node])

        yield Avoidance(manoeuvres, names, scenario.seed, in_service)
    if (ageing := scenario.lifecycle.ageing) is not None:
        yield EndOfLife(ageing, names, lambda: geometry.fleet.service_s(geometry.n_sat), scenario.seed)


def _radiation(
    geometry: Geometry,
    passes: Passes,
    spells: Callable[[], Spells],
    gone: Callable[[], Mapping[int, Sequence[Stay]]],
) -> list[Source]:
    scenario = geometry.scenario
    if scenario.radiation is None:
        return []
    designs = designs_of(scenario.hardening, atlas_of(geometry), scenario.seed)
    dwell, names = anomaly_dwell(geometry), geometry.names
    there = [node for node in geometry.inhabited.tolist() if node < geometry.n_sat]
    nodes = [exposed(node, names[node], scenario.radiation, designs[node], dwell[node]) for node in there]

    def absences() -> Absences:
        return Absences(geometry.fleet.service_s(geometry.n_sat), gone())

    return [
        PassSource(passes, there, names, absences),
        RadiationSource(nodes, passes, spells, scenario.seed, absences),
    ]
