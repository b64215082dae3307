"""When a satellite sees ground stations, hours ahead: where a contact is possible, whoever else the station may choose."""

from __future__ import annotations

import numpy as np

from skyrack.orchestrator.environment.stays import Stay
from skyrack.orchestrator.topology.geometry import Geometry

STEP_S = 20.0  # a pass that is shorter may be missed; between steps the limit's margin is taken to be a straight line


def gateway_passes(geometry: Geometry, node: int, first_s: float, last_s: float) -> list[tuple[str, Stay]]:
    """Station and stay of a satellite within the limits of each ground station in [first_s, last_s], within a second.

    By begin, then by station. One that has begun before begins at `first_s`, one that goes on ends at `last_s`.
    """
    instants = np.linspace(first_s, last_s, max(2, round((last_s - first_s) / STEP_S) + 1))
    margin_km = geometry.gateway_margins_km(geometry.itrf(node, instants)[0])
    inside = margin_km >= 0.0
    found: list[tuple[str, Stay]] = []
    for station in np.nonzero(inside.any(axis=1))[0].tolist():
        margins, flags = margin_km[station], inside[station]
        before = np.nonzero(flags[1:] != flags[:-1])[0]
        part = margins[before] / (margins[before] - margins[before + 1])
        turns_s = (instants[before] + part * (instants[before + 1] - instants[before])).tolist()
        bounds_s = [*([first_s] if flags[0] else []), *turns_s, *([last_s] if flags[-1] else [])]
        name = geometry.names[geometry.n_sat + station]
        found += [(name, stay) for stay in zip(bounds_s[::2], bounds_s[1::2], strict=True)]
    return sorted(found, key=lambda one: (one[1][0], one[0]))
