"""Fabric processes of the run's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from skyrack.orchestrator.fabric.client import FabricClient
from skyrack.orchestrator.fabric.wire import FabricConfig
from skyrack.orchestrator.runtime.errors import last_line


class LocalFabric:
    """Starts one after the other. `up` is set from the first one on, `realtime` says whether the newest has priority."""

    def __init__(self, mesh_dir: Path, log: Path) -> None:
        self._mesh_dir = mesh_dir
        self._log = log
        self._fabric: FabricClient | None = None
        self.up = asyncio.Event()
        self.realtime = False

    async def start(
        self, config: FabricConfig, on_event: Callable[[Mapping[str, Any]], None]
    ) -> FabricClient:
        """A new process, once it listens. Raises RuntimeError with its last words when it does not."""
        fabric = self._fabric = FabricClient(config, self._mesh_dir, on_event)
        try:
            await fabric.start(self._log)
        except RuntimeError as error:
            raise RuntimeError(f"the fabric did not start: {last_line(self._log) or error}") from error
        self.realtime = fabric.scheduler == "fifo"
        self.up.set()
        return fabric

    async def end(self) -> dict[str, int]:
        """End the process and say with which status it did, negative for a signal."""
        if self._fabric is None:
            return {}
        fabric, self._fabric = self._fabric, None
        await fabric.stop()
        return {"status": await fabric.wait()}
