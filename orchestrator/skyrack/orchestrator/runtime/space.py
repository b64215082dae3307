"""What the API tells of the space around satellites of a run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Any

from skyrack.orchestrator.environment.passes import Passes
from skyrack.orchestrator.environment.prospect import answer, prospect
from skyrack.orchestrator.environment.truth import truth_at
from skyrack.orchestrator.runtime.storms import Storms
from skyrack.orchestrator.topology.geometry import Geometry


class Space:
    """Reads; changes nothing."""

    def __init__(
        self,
        geometry: Geometry,
        passes: Passes,
        storms: Storms,
        worker: Executor,
    ) -> None:
        self._geometry = geometry
        self._passes = passes
        self._storms = storms
        self._worker = worker

    async def around(self, names: Sequence[str], t_s: float) -> dict[str, Any]:
        """Satellites at `t_s`: those named, else all inhabited ones. Raises ValueError for what is on the ground."""
        geometry, loop = self._geometry, asyncio.get_running_loop()
        nodes = [geometry.index_of(name) for name in names]
        if on_ground := [name for name, node in zip(names, nodes, strict=True) if node >= geometry.n_sat]:
            raise ValueError(f"{on_ground[0]} is on the ground: only satellites have an environment")
        nodes = nodes or geometry.inhabited[geometry.inhabited < geometry.n_sat].tolist()
        storms, spells = self._storms.now, self._storms.spells
        truth = await loop.run_in_executor(self._worker, truth_at, geometry, t_s, storms)
        # One by one, so that the worker stays free for the mesh.
        return answer(
            geometry,
            t_s,
            [
                await loop.run_in_executor(
                    self._worker, prospect, geometry, self._passes, node, truth, spells.stays(node)
                )
                for node in nodes
            ],
        )
