"""Hands of a run whose nodes are containers."""

from __future__ import annotations

from skyrack.orchestrator.runtime.awaited_nodes import AwaitedNodes
from skyrack.orchestrator.runtime.hands.composed import ComposedHands
from skyrack.orchestrator.runtime.hands.contained_processes import ContainedProcesses
from skyrack.orchestrator.runtime.hands.hands import Hands
from skyrack.orchestrator.runtime.hands.nothing import NothingOnData
from skyrack.orchestrator.runtime.hands.parts import OnParts
from skyrack.orchestrator.runtime.services.services import Services


def contained_hands(nodes: AwaitedNodes, services: Services, parts: OnParts) -> Hands:
    """`services`: what runs at the nodes."""
    return ComposedHands(ContainedProcesses(nodes, services), NothingOnData(), parts)
