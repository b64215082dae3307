"""Fabric processes of the run's own."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from skyrack.orchestrator.fabric import handover
from skyrack.orchestrator.fabric.client import START_TIMEOUT_S, FabricClient
from skyrack.orchestrator.fabric.wire import FabricConfig
from skyrack.orchestrator.runtime.ending import ended
from skyrack.orchestrator.runtime.errors import last_line
from skyrack.orchestrator.runtime.hands.kept import Serving

END_TIMEOUT_S = 2.0


class LocalFabric:
    """Starts one after the other. `up` is set from the first one on, `realtime` says whether the newest has priority."""

    def __init__(self, mesh_dir: Path, log: Path) -> None:
        self._mesh_dir = mesh_dir
        self._log = log
        self._fabric: FabricClient | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._served = 0
        self.up = asyncio.Event()
        self.realtime = False

    async def start(self, config: FabricConfig, on_event: Callable[[dict[str, Any]], None]) -> FabricClient:
        """A new process, once it listens. Raises RuntimeError with its last words when it does not."""
        path = self._mesh_dir / "fabric.control.sock"
        try:
            with handover.listening(path) as listener, self._log.open("ab") as stderr:
                process = self._process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "skyrack.orchestrator.fabric",
                    "--connect", str(path), "--directory", str(self._mesh_dir),
                    stdin=asyncio.subprocess.DEVNULL, stdout=stderr, stderr=stderr,
                )  # fmt: skip
                control = await _accept(listener, process)
            fabric = self._fabric = FabricClient(config, on_event)
            await fabric.open(control)
        except RuntimeError as error:
            await self.end()
            raise RuntimeError(f"the fabric did not start: {last_line(self._log) or error}") from error
        self.realtime = fabric.scheduler == "fifo"
        self._served += 1
        self.up.set()
        return fabric

    def serving(self) -> Serving | None:
        """The fabric there is."""
        fabric = self._fabric
        return Serving(self._served, fabric.pid) if fabric is not None and fabric.scheduler else None

    def kill(self) -> None:
        """SIGKILL. Raises ProcessLookupError."""
        if self._process is None:
            raise ProcessLookupError
        self._process.kill()

    async def end(self) -> dict[str, int]:
        """End the process, by closing its connection or by force; the status, negative for a signal."""
        if self._fabric is not None:
            self._fabric.close()
            self._fabric = None
        if self._process is None:
            return {}
        process, self._process = self._process, None
        return {"status": await ended(process, END_TIMEOUT_S)}


async def _accept(listener: socket.socket, process: asyncio.subprocess.Process) -> socket.socket:
    """The process's connection. Raises RuntimeError when it ends, or says nothing for START_TIMEOUT_S."""
    loop = asyncio.get_running_loop()
    connected = asyncio.ensure_future(loop.sock_accept(listener))
    gone = asyncio.ensure_future(process.wait())
    try:
        done, _ = await asyncio.wait(
            {connected, gone}, timeout=START_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        gone.cancel()
        if not connected.done():
            connected.cancel()
    if connected in done:
        return connected.result()[0]
    raise RuntimeError(
        f"exit status {gone.result()}" if gone in done else f"it did not connect within {START_TIMEOUT_S:g} s"
    )
