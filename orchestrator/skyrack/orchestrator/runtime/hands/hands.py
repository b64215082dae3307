"""What faults ask of a runtime."""

from __future__ import annotations

from typing import Protocol

from skyrack.orchestrator.faults.effect import Part, Upset
from skyrack.orchestrator.faults.hold import Hold, Place
from skyrack.orchestrator.faults.targets import Target


class CannotError(Exception):
    """It could not be done; the message says why, for the user."""


class Hands(Protocol):
    """Acts on the processes of a run. What it returns says what took effect, a sentence each, as far as was seen."""

    def refusal(self, kind: str, target: Target) -> str | None:
        """Why a fault of this kind cannot be had here on that target, asked before it is entered; None when it can."""

    async def expect(self, kind: str, target: Target) -> None:
        """Such a fault is about to be entered: get ready what would take time when it begins."""

    async def hold(self, place: Place, before: Hold, hold: Hold) -> list[str]:
        """Bring a place from one state into another, and keep it there while processes come and go. Raises CannotError."""

    async def kill(self, place: Place) -> list[str]:
        """Kill all that runs at a place, once. Raises CannotError."""

    async def upset(self, place: Place, upset: Upset, key: str) -> list[str]:
        """Have it happen there, once; to nobody where nothing runs. `key`: who hangs is released by it. Raises CannotError."""

    async def release(self, place: Place, key: str) -> list[str]:
        """Let who hangs go on. Raises CannotError."""

    async def end(self, part: Part) -> list[str]:
        """End a part of the run, once. Raises CannotError."""

    async def close(self) -> None:
        """The run ends; nothing is held any more but nodes that are off."""
