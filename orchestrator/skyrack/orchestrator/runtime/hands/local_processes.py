"""Hands on the processes of a run whose nodes are its own."""

from __future__ import annotations

import signal

from skyrack.orchestrator.faults.hold import Hold, Place
from skyrack.orchestrator.faults.targets import Target
from skyrack.orchestrator.runtime.hands.hands import CannotError
from skyrack.orchestrator.runtime.services.services import Services
from skyrack.orchestrator.runtime.spawned_nodes import SpawnedNodes


class LocalProcesses:
    """OnProcesses."""

    def __init__(self, nodes: SpawnedNodes, services: Services) -> None:
        self._nodes = nodes
        self._services = services

    def refusal(self, kind: str, target: Target) -> str | None:
        """Why not."""
        return None if kind == "kill" else "this runtime cannot do that"

    async def off(self, node: int) -> list[str]:
        """Raises CannotError."""
        raise CannotError("this runtime cannot do that")

    async def erase(self, node: int) -> list[str]:
        """Raises CannotError."""
        raise CannotError("this runtime cannot do that")

    async def on(self, node: int) -> list[str]:
        """Raises CannotError."""
        raise CannotError("this runtime cannot do that")

    async def hold(self, place: Place, before: Hold, hold: Hold) -> list[str]:
        """Nothing of it has been asked for: it was refused."""
        return []

    async def kill(self, place: Place) -> list[str]:
        """Raises CannotError."""
        index, _ = place
        node = self._nodes.book.by_index.get(index)
        if node is None or not node.alive:
            raise CannotError("no process at the moment")
        self._nodes.signal(node.name, signal.SIGKILL)
        return [f"killed, pid {node.pid}"]
