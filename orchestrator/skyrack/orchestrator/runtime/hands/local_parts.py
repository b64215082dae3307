"""Ends parts of a run whose processes are its own."""

from __future__ import annotations

from skyrack.orchestrator.clock import Clock
from skyrack.orchestrator.faults.effect import Part
from skyrack.orchestrator.faults.targets import Target
from skyrack.orchestrator.runtime.brokers import Broker
from skyrack.orchestrator.runtime.hands import kept
from skyrack.orchestrator.runtime.hands.hands import CannotError


class LocalParts:
    """OnParts. Whoever keeps fabric and broker starts them again."""

    def __init__(self, fabric: kept.Kept, broker: Broker, clock: Clock) -> None:
        self._fabric = fabric
        self._broker = broker
        self._clock = clock

    def refusal(self, kind: str, target: Target) -> str | None:
        """Why not."""
        if "orchestrator" in target.parts:
            return "the orchestrator of a local run holds all of it and would take it along: only in containers is it kept"
        if "broker" in target.parts and self._broker.kept() is None:
            return "this run has no broker"
        return None

    async def end(self, part: Part) -> list[str]:
        """Kill it, and see another come. Raises CannotError."""
        whose = self._fabric if part == "fabric" else self._broker.kept()
        if whose is None:
            raise CannotError("this run has no broker")
        return await kept.end(whose, self._clock)
