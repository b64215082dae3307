"""A runtime that acts on nothing."""

from __future__ import annotations

from skyrack.orchestrator.faults.effect import Part
from skyrack.orchestrator.faults.hold import Hold, Place
from skyrack.orchestrator.faults.kinds import KINDS
from skyrack.orchestrator.faults.targets import Target
from skyrack.orchestrator.runtime.hands.hands import CannotError


class NoHands:
    """Refuses every fault of places and parts."""

    def refusal(self, kind: str, target: Target) -> str | None:
        """A reason for all that is not the fabric's."""
        return "this runtime cannot do that" if KINDS[kind].acts_on in ("places", "parts") else None

    async def hold(self, place: Place, before: Hold, hold: Hold) -> list[str]:
        """Raises CannotError."""
        raise CannotError("this runtime cannot do that")

    async def kill(self, place: Place) -> list[str]:
        """Raises CannotError."""
        raise CannotError("this runtime cannot do that")

    async def end(self, part: Part) -> list[str]:
        """Raises CannotError."""
        raise CannotError("this runtime cannot do that")
