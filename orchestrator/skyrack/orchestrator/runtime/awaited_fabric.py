"""Fabric processes that somebody else starts: each connects when it is there, however long that takes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from skyrack.orchestrator.fabric import handover
from skyrack.orchestrator.fabric.client import FabricClient
from skyrack.orchestrator.fabric.wire import FabricConfig
from skyrack.orchestrator.runtime.hands.kept import Serving


class AwaitedFabric:
    """Listens at `path` while there is none. `on_failure` hears why one that had connected did not serve."""

    def __init__(self, path: Path, on_failure: Callable[[str], None]) -> None:
        self._path = path
        self._on_failure = on_failure
        self._fabric: FabricClient | None = None
        self._served = 0

    async def start(self, config: FabricConfig, on_event: Callable[[dict[str, Any]], None]) -> FabricClient:
        """The next one that serves. Waits for ever."""
        loop = asyncio.get_running_loop()
        while True:
            with handover.listening(self._path) as listener:
                control, _ = await loop.sock_accept(listener)
            fabric = self._fabric = FabricClient(config, on_event)
            try:
                await fabric.open(control)
            except RuntimeError as error:
                self._on_failure(str(error))
            else:
                self._served += 1
                return fabric

    def serving(self) -> Serving | None:
        """The fabric there is."""
        return (
            Serving(self._served, self._fabric.pid)
            if self._fabric is not None and self._fabric.scheduler
            else None
        )

    def kill(self) -> None:
        """Tell it to end. Raises ProcessLookupError."""
        if self._fabric is None:
            raise ProcessLookupError
        self._fabric.end_process()

    async def end(self) -> dict[str, int]:
        """End the connection; what becomes of the process is not for us to know."""
        if self._fabric is not None:
            self._fabric.close()
            self._fabric = None
        return {}
