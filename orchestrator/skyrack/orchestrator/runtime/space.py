"""What the API tells of the space around satellites of a run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from skyrack.orchestrator.environment.eclipses import next_eclipse_s
from skyrack.orchestrator.environment.prospect import answer, prospect
from skyrack.orchestrator.environment.truth import truth_at
from skyrack.orchestrator.runtime.basis import Basis
from skyrack.orchestrator.runtime.storms import Storms


class Space:
    """Reads; changes nothing."""

    def __init__(self, basis: Basis, storms: Storms) -> None:
        self._basis = basis
        self._storms = storms

    async def around(self, names: Sequence[str]) -> dict[str, Any]:
        """Satellites now: those named, else all inhabited ones. Raises ValueError for what is on the ground."""
        geometry, worker, loop = self._basis.geometry, self._basis.worker, asyncio.get_running_loop()
        t_s = self._basis.t_s()
        nodes = [geometry.index_of(name) for name in names]
        if on_ground := [name for name, node in zip(names, nodes, strict=True) if node >= geometry.n_sat]:
            raise ValueError(f"{on_ground[0]} is on the ground: only satellites have an environment")
        nodes = nodes or geometry.inhabited[geometry.inhabited < geometry.n_sat].tolist()
        storms, spells = self._storms.now, self._storms.spells
        truth = await loop.run_in_executor(worker, truth_at, geometry, t_s, storms)
        # One by one, so that the worker stays free for the mesh.
        return answer(
            geometry,
            t_s,
            [
                await loop.run_in_executor(
                    worker, prospect, geometry, self._basis.passes, node, truth, spells.stays(node)
                )
                for node in nodes
            ],
        )

    async def next_eclipse_s(self, name: str, t_s: float) -> float:
        """When a satellite next comes into the shadow after `t_s`. Raises KeyError, ValueError."""
        geometry, node = self._basis.geometry, self._basis.roster.require(name)
        if node >= geometry.n_sat:
            raise ValueError(f"{name} stands on the ground: it has nights, not eclipses")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._basis.worker, next_eclipse_s, geometry, node, t_s)
