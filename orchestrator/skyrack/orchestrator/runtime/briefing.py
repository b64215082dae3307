"""Tells every node and the telemetry bus where everything is and what is ahead: once per epoch, as the clock
is set, and as storms begin and end."""

from __future__ import annotations

import asyncio
import math
from concurrent.futures import Executor

from skyrack.orchestrator.api.control import ControlService
from skyrack.orchestrator.clock import Clock, sleep_unless
from skyrack.orchestrator.runtime.basis import Basis
from skyrack.orchestrator.runtime.bus import RunBus
from skyrack.orchestrator.runtime.nodes import NodeState
from skyrack.orchestrator.runtime.outages import Outages
from skyrack.orchestrator.runtime.storms import Storms
from skyrack.orchestrator.runtime.updates import Outlook
from skyrack.orchestrator.timeline import Piece, Timeline
from skyrack.v1 import control_pb2

SHORTEST_UPDATE_S = 1.0  # nodes are not told of every epoch when orbits turn very fast
BREATH_S = 0.01
LONGEST_WAIT_S = 3600.0  # a paused clock comes to no other epoch


class Briefing:
    """What the service that nodes join has to say to one of them."""

    def __init__(self, basis: Basis, outlook: Outlook, bus: RunBus, outages: Outages) -> None:
        self._basis = basis
        self._outlook = outlook
        self._bus = bus
        self._outages = outages

    def update_of(self, node: NodeState) -> control_pb2.NodeUpdate | None:
        """What a node is told. What it is told of its future is said on the bus as well."""
        update = self._outlook.update_for(node)
        if update is not None:
            self._bus.forecast(node.name, update, self._basis.t_s())
        return update

    def lost_of(self, node: NodeState) -> list[str]:
        """Neighbours of a node whose link it has noticed to be dark."""
        lost = self._outages.lost_of(node.index, self._outlook.neighbours_of(node.index))
        return [self._basis.roster.names[peer] for peer in lost]


async def brief_nodes(
    outlook: Outlook,
    control: ControlService,
    bus: RunBus,
    clock: Clock,
    worker: Executor,
    timeline: Timeline,
    storms: Storms,
) -> None:
    """Compute the outlook of every epoch and publish it, until cancelled."""
    loop = asyncio.get_running_loop()
    turned = asyncio.Event()

    def turn(piece: Piece) -> None:
        before = timeline.piece_at(math.nextafter(piece.run_s, -math.inf))
        if piece.t_s <= before.t_at(
            piece.run_s
        ):  # who hears ahead of time never finds that he has been too fast
            control.publish()
        turned.set()

    timeline.listen(turn)
    storms.on_turn = turned.set
    while True:
        turned.clear()
        await clock.sleep(timeline.pieces[-1].run_s - clock.run_s())
        t_s = timeline.t_s(clock.run_s())
        end_s = await loop.run_in_executor(worker, outlook.compute, t_s)
        control.publish()
        await bus.environment(outlook.epoch, t_s)
        # The far future in small pieces, so that the worker stays free for the mesh.
        while not turned.is_set() and await loop.run_in_executor(worker, outlook.extend):
            await clock.sleep(BREATH_S)
        control.publish()
        wait_s = max(SHORTEST_UPDATE_S, timeline.run_s(end_s) - clock.run_s())
        await sleep_unless(turned, clock, min(wait_s, LONGEST_WAIT_S))
