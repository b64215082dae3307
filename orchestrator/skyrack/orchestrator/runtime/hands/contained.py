"""Hands of a run whose nodes are containers."""

from __future__ import annotations

from skyrack.orchestrator.runtime.awaited_nodes import AwaitedNodes
from skyrack.orchestrator.runtime.hands.composed import ComposedHands
from skyrack.orchestrator.runtime.hands.contained_data import ContainedData
from skyrack.orchestrator.runtime.hands.contained_site import ContainedSite
from skyrack.orchestrator.runtime.hands.hands import Hands
from skyrack.orchestrator.runtime.hands.parts import OnParts
from skyrack.orchestrator.runtime.hands.processes import Processes
from skyrack.orchestrator.runtime.processes import Launch
from skyrack.orchestrator.runtime.services.services import Services


def contained_hands(launch: Launch, nodes: AwaitedNodes, services: Services, parts: OnParts) -> Hands:
    """`services`: what runs at the nodes."""
    site = ContainedSite(nodes, launch.clock, launch.places.mesh_dir)
    processes = Processes(site, launch.book, services, launch.events)
    return ComposedHands(processes, ContainedData(), parts)
