"""A scenario that begins at another minute of the same sky."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from skyrack.orchestrator.orbit.times import iso_utc
from skyrack.orchestrator.topology.geometry import Geometry


def moved(geometry: Geometry, source: str, start_s: int) -> dict[str, Any]:
    """What `skyrack up` takes: the scenario `source` (a preset or an absolute path), begun `start_s` later.

    What depends on the start in the scenario stays as it was: the epoch of shells that have none of their own, and which
    satellites have a process. `geometry`: the scenario's own.
    """
    if not start_s:
        return {"extends": source}
    scenario = geometry.scenario
    changes: dict[str, Any] = {"start": iso_utc(geometry.start + timedelta(seconds=start_s))}
    if any(shell.epoch is None for shell in scenario.shells):
        epoch = iso_utc(geometry.start)
        shells = [shell.model_dump(mode="json", exclude_none=True) for shell in scenario.shells]
        changes["shells"] = [{"epoch": epoch, **shell} for shell in shells]
    if not isinstance(scenario.inhabited, tuple) and scenario.inhabited != "all":
        names = [geometry.names[node] for node in geometry.inhabited.tolist() if node < geometry.n_sat]
        changes["inhabited"] = names
    return {"extends": source, **changes}
