"""Hands of a run whose nodes are containers."""

from __future__ import annotations

from pathlib import Path

from skyrack.orchestrator.runtime.awaited_nodes import AwaitedNodes
from skyrack.orchestrator.runtime.hands.beside import Beside
from skyrack.orchestrator.runtime.hands.composed import ComposedHands
from skyrack.orchestrator.runtime.hands.contained_data import ContainedData
from skyrack.orchestrator.runtime.hands.contained_site import ContainedSite
from skyrack.orchestrator.runtime.hands.hands import Hands
from skyrack.orchestrator.runtime.hands.parts import OnParts
from skyrack.orchestrator.runtime.hands.processes import Processes
from skyrack.orchestrator.runtime.processes import Launch
from skyrack.orchestrator.runtime.services.services import Services


def contained_hands(
    launch: Launch, nodes: AwaitedNodes, services: Services, parts: OnParts, sidecars: Path | None
) -> Hands:
    """`services`: what runs at the nodes. `sidecars`: the socket of who keeps containers beside them."""
    beside = Beside(sidecars, services, launch.events)
    site = ContainedSite(nodes, launch.clock, launch.places.mesh_dir, beside)
    processes = Processes(site, launch.book, services, launch.events)
    return ComposedHands(processes, ContainedData(), parts)
