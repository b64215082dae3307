"""Hands on what services write and on their clocks, in a run whose nodes are containers: none."""

from __future__ import annotations

from skyrack.orchestrator.faults.hold import Hold, Place
from skyrack.orchestrator.faults.targets import Target
from skyrack.orchestrator.runtime.services.prepared import NOT_IN_CONTAINERS


class ContainedData:
    """OnData."""

    def refusal(self, kind: str, target: Target) -> str | None:
        """A reason for all."""
        return NOT_IN_CONTAINERS["clock" if kind == "clock" else "disk"]

    async def drop_unsynced(self, node: int) -> list[str]:
        """Of a node that is lost everything goes anyway."""
        return []

    async def hold(self, place: Place, before: Hold, hold: Hold) -> list[str]:
        """Nothing of it has been asked for: it was refused."""
        return []
