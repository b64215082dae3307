"""Tells every node and the telemetry bus, once per epoch, where everything is and what is ahead."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor

from skyrack.orchestrator.api.control import ControlService
from skyrack.orchestrator.clock import Clock
from skyrack.orchestrator.runtime.bus import RunBus
from skyrack.orchestrator.runtime.updates import Outlook

SHORTEST_UPDATE_S = 1.0  # nodes are not told of every epoch when orbits turn very fast
BREATH_S = 0.01


async def brief_nodes(
    outlook: Outlook, control: ControlService, bus: RunBus, clock: Clock, worker: Executor, speed: float
) -> None:
    """Compute the outlook of every epoch and publish it, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        t_s = clock.run_s() * speed
        end_s = await loop.run_in_executor(worker, outlook.compute, t_s)
        control.publish()
        await bus.environment(outlook.epoch, t_s, worker)
        # The far future in small pieces, so that the worker stays free for the mesh.
        while await loop.run_in_executor(worker, outlook.extend):
            await clock.sleep(BREATH_S)
        control.publish()
        await clock.sleep(max(SHORTEST_UPDATE_S, end_s / speed - clock.run_s()))
