"""Ends parts of a run that are containers, whose restart policy brings them back."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Final

from skyrack.orchestrator.clock import Clock
from skyrack.orchestrator.fabric.wire import ENDED_ON_REQUEST
from skyrack.orchestrator.faults.effect import Part
from skyrack.orchestrator.faults.targets import Target
from skyrack.orchestrator.runtime.hands import kept

# For the answer and the event to be out, which takes rounds of the loop: a busy host has few of them in that time.
ANSWER_S: Final = 0.3
LOOKS: Final = 30


class ContainedParts:
    """OnParts. `leave`: ends this process with a status."""

    def __init__(self, fabric: kept.Kept, clock: Clock, leave: Callable[[int], object] = os._exit) -> None:
        self._fabric = fabric
        self._clock = clock
        self._leave = leave
        self._leaving: asyncio.Task[None] | None = None

    def refusal(self, kind: str, target: Target) -> str | None:
        """Why not."""
        if "broker" in target.parts:
            return "the broker is a container that only the engine can end: docker compose restart mosquitto"
        return None

    async def end(self, part: Part) -> list[str]:
        """The fabric is told to end, and another awaited; this process ends when that has been said. Raises CannotError."""
        if part == "fabric":
            return await kept.end(self._fabric, self._clock)
        self._leaving = asyncio.create_task(self._end(), name="end")
        return [
            f"pid {os.getpid()} ends in {ANSWER_S:g} s with status {ENDED_ON_REQUEST}; its container starts another"
        ]

    async def _end(self) -> None:
        for _ in range(LOOKS):
            await self._clock.sleep(ANSWER_S / LOOKS)
        self._leave(ENDED_ON_REQUEST)
