"""What faults have to know of a geometry."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from skyrack.orchestrator.faults.atlas import Atlas, Services
from skyrack.orchestrator.scenario.placement import placed
from skyrack.orchestrator.scenario.whereabouts import launches, on_ground, shells_by_name

if TYPE_CHECKING:
    from skyrack.orchestrator.topology.geometry import Geometry


def atlas_of(geometry: Geometry, services: Callable[[], Services] | None = None) -> Atlas:
    """`services`: where they are, the scenario's own without it."""
    links, constellation = geometry.scenario.links, geometry.constellation
    fixed = (
        links.pattern == "plus-grid" and links.geo_relay is None and bool((constellation.plane >= 0).all())
    )
    lasers = [(int(a), int(b)) for a, b in constellation.grid_pairs.tolist()] if fixed else None
    n_sat, fibres = geometry.n_sat, geometry.fibres
    joined = [(n_sat + a, n_sat + b) for a, b in zip(fibres.a.tolist(), fibres.b.tolist(), strict=True)]
    planned = services_of(geometry)
    shells = [
        (shell, np.flatnonzero(constellation.shell == index).tolist())
        for index, shell in enumerate(geometry.scenario.shells)
    ]
    return Atlas(
        geometry.names,
        n_sat,
        geometry.stations.n_radio,
        lasers,
        joined,
        ground=on_ground(geometry.scenario),
        batches=launches(shells),
        launches={name: batch.nodes for name, batch in geometry.fleet.batches.items()},
        shells=shells_by_name(shells),
        services=services or (lambda: planned),
        inhabited=geometry.inhabited.tolist(),
    )


def services_of(geometry: Geometry) -> Services:
    """Where the scenario's services are."""
    there = [(geometry.names[node], geometry.kind[node]) for node in geometry.inhabited.tolist()]
    return {
        service.name: [geometry.index_of(name) for name in placed(service, there)]
        for service in geometry.scenario.services
    }
