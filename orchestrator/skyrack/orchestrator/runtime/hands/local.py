"""Hands of a run whose processes are its own."""

from __future__ import annotations

from skyrack.orchestrator.runtime.hands.composed import ComposedHands
from skyrack.orchestrator.runtime.hands.hands import Hands
from skyrack.orchestrator.runtime.hands.local_data import LocalData
from skyrack.orchestrator.runtime.hands.local_site import LocalSite
from skyrack.orchestrator.runtime.hands.parts import OnParts
from skyrack.orchestrator.runtime.hands.processes import Processes
from skyrack.orchestrator.runtime.processes import Launch
from skyrack.orchestrator.runtime.services.prepared import LocalRoom
from skyrack.orchestrator.runtime.services.services import Services
from skyrack.orchestrator.runtime.spawned_nodes import SpawnedNodes


def local_hands(
    launch: Launch, nodes: SpawnedNodes, room: LocalRoom, services: Services, parts: OnParts
) -> Hands:
    """`services`: what runs at the nodes."""
    site = LocalSite(nodes, room, launch.clock, launch.places.logs / "holder.log")
    processes = Processes(site, launch.book, services, launch.events)
    return ComposedHands(processes, LocalData(room, launch.book, services), parts)
