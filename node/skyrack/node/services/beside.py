"""A service that somebody else runs beside the node, in its network: a container of its own. It is only probed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from skyrack.node.services.runner import Ended


class BesideRunner:
    """A Runner of nothing: it ends when it is told to, and not before."""

    pid = 0
    cpu_s = 0.0

    def __init__(self) -> None:
        self._told = asyncio.Event()
        self.notes: list[str] = []

    async def start(self) -> None:
        """Whoever runs it decides when it starts."""

    async def reasons(self) -> AsyncIterator[str]:
        """As far as the node knows it is ready."""
        yield ""

    async def wait(self) -> Ended:
        """Once it was told to."""
        await self._told.wait()
        return Ended(status=0)

    def terminate(self) -> None:
        """No more probes."""
        self._told.set()

    async def kill(self) -> None:
        """Nothing of it is the node's."""

    def pids(self) -> list[int]:
        """None that the node knows."""
        return []
