"""What hands are made of: those on processes, on data and clocks, and on parts of the run. A runtime has one of each.

`refusal` is asked for kinds that the part has to do with, on targets of theirs; the rest as in hands.py.
"""

from __future__ import annotations

from typing import Protocol

from skyrack.orchestrator.faults.effect import Part, Upset
from skyrack.orchestrator.faults.hold import Hold, Place
from skyrack.orchestrator.faults.targets import Target


class OnProcesses(Protocol):
    """Kills, pauses, slows down, and keeps nodes off."""

    def refusal(self, kind: str, target: Target) -> str | None:
        """Of kill, pause, cpu, reboot, power, lost and the kinds of upsets."""

    async def expect(self, target: Target) -> None:
        """One of these is to come there: get ready."""

    async def off(self, node: int) -> list[str]:
        """End all that runs at a node, and start nothing there from now on. Raises CannotError."""

    async def erase(self, node: int) -> list[str]:
        """Remove what the services of a node that is off have written. Raises CannotError."""

    async def on(self, node: int) -> list[str]:
        """Start the node again. Raises CannotError."""

    async def hold(self, place: Place, before: Hold, hold: Hold) -> list[str]:
        """See to `paused` and `cpu_ratio`; everything else of a hold is somebody else's. Raises CannotError."""

    async def kill(self, place: Place) -> list[str]:
        """Kill all that runs at a place, once. Raises CannotError."""

    async def upset(self, place: Place, upset: Upset, key: str) -> list[str]:
        """Flip a bit there, or crash or hang one process. Raises CannotError."""

    async def release(self, place: Place, key: str) -> list[str]:
        """Let who hangs go on. Raises CannotError."""

    async def close(self) -> None:
        """The run ends."""


class OnData(Protocol):
    """Acts on what services write, and on the time that they read."""

    def refusal(self, kind: str, target: Target) -> str | None:
        """Of fsync-slow, fsync-fail, disk-full and clock, and of power: whether unsynced writes can be dropped."""

    async def drop_unsynced(self, node: int) -> list[str]:
        """Forget what was written and not fsynced; nothing runs at the node, until `on`. Raises CannotError."""

    async def hold(self, place: Place, before: Hold, hold: Hold) -> list[str]:
        """See to `fsync_s`, `fsync_fails`, `disk_full` and `clock_s`. Raises CannotError."""


class OnParts(Protocol):
    """Ends parts of the run."""

    def refusal(self, kind: str, target: Target) -> str | None:
        """Of end."""

    async def end(self, part: Part) -> list[str]:
        """End a part of the run, once. Raises CannotError."""
