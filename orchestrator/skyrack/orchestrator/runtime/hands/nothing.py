"""Parts of hands that act on nothing, for runtimes that cannot."""

from __future__ import annotations

from skyrack.orchestrator.faults.effect import Part
from skyrack.orchestrator.faults.targets import Target
from skyrack.orchestrator.runtime.hands.hands import CannotError

_REFUSAL = "this runtime cannot do that"


class NothingOnParts:
    """Refuses to end parts of the run."""

    def refusal(self, kind: str, target: Target) -> str | None:
        """A reason for all."""
        return _REFUSAL

    async def end(self, part: Part) -> list[str]:
        """Raises CannotError."""
        raise CannotError(_REFUSAL)
