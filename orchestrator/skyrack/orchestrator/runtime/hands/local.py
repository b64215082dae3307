"""Hands of a run whose processes are its own."""

from __future__ import annotations

from skyrack.orchestrator.runtime.hands.composed import ComposedHands
from skyrack.orchestrator.runtime.hands.hands import Hands
from skyrack.orchestrator.runtime.hands.local_processes import LocalProcesses
from skyrack.orchestrator.runtime.hands.nothing import NothingOnData
from skyrack.orchestrator.runtime.hands.parts import OnParts
from skyrack.orchestrator.runtime.services.services import Services
from skyrack.orchestrator.runtime.spawned_nodes import SpawnedNodes


def local_hands(nodes: SpawnedNodes, services: Services, parts: OnParts) -> Hands:
    """`services`: what runs at the nodes."""
    return ComposedHands(LocalProcesses(nodes, services), NothingOnData(), parts)
