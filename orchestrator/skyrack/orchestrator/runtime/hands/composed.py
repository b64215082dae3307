"""Hands made of parts, and in which order the parts act."""

from __future__ import annotations

from skyrack.orchestrator.faults.effect import Part, Upset
from skyrack.orchestrator.faults.hold import Hold, Off, Place
from skyrack.orchestrator.faults.kinds import KINDS
from skyrack.orchestrator.faults.targets import Target
from skyrack.orchestrator.runtime.hands.parts import OnData, OnParts, OnProcesses

_OF_PROCESSES = (
    *("kill", "pause", "cpu", "reboot", "power", "lost", "sefi"),
    *("flip-memory", "flip-file", "crash", "hang"),
)


class ComposedHands:
    """Hands of a runtime."""

    def __init__(self, processes: OnProcesses, data: OnData, parts: OnParts) -> None:
        self._processes = processes
        self._data = data
        self._parts = parts

    def refusal(self, kind: str, target: Target) -> str | None:
        """The first reason of a part that has to do with it."""
        if KINDS[kind].acts_on == "parts":
            return self._parts.refusal(kind, target)
        if KINDS[kind].acts_on != "places":
            return None
        why_not = self._processes.refusal(kind, target) if kind in _OF_PROCESSES else None
        if why_not is None and (kind == "power" or kind not in _OF_PROCESSES):
            why_not = self._data.refusal(kind, target)
        return why_not

    async def expect(self, kind: str, target: Target) -> None:
        """Have in time who acts on processes."""
        if kind in _OF_PROCESSES:
            await self._processes.expect(target)

    async def hold(self, place: Place, before: Hold, hold: Hold) -> list[str]:
        """Processes end before their data do, and start again when all else is as it shall be. Raises CannotError."""
        node, _ = place
        seen: list[str] = []
        if hold.off > before.off:
            if before.off is Off.ON:
                seen += await self._processes.off(node)
            if hold.off >= Off.POWER:
                seen += await self._data.drop_unsynced(node)
            if hold.off is Off.LOST:
                seen += await self._processes.erase(node)
        seen += await self._data.hold(place, before, hold)
        seen += await self._processes.hold(place, before, hold)
        if before.off > hold.off is Off.ON:
            seen += await self._processes.on(node)
        return seen

    async def kill(self, place: Place) -> list[str]:
        """Raises CannotError."""
        return await self._processes.kill(place)

    async def upset(self, place: Place, upset: Upset, key: str) -> list[str]:
        """Raises CannotError."""
        return await self._processes.upset(place, upset, key)

    async def release(self, place: Place, key: str) -> list[str]:
        """Raises CannotError."""
        return await self._processes.release(place, key)

    async def end(self, part: Part) -> list[str]:
        """Raises CannotError."""
        return await self._parts.end(part)

    async def close(self) -> None:
        """The run ends."""
        await self._processes.close()
