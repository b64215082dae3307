"""The entries of a local run: one proxy process for all of them, started again when it dies.

The listening sockets are the run's own and handed to the process. So a port stays the run's, and who connects while there
is no process waits for the next one instead of being refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import sys
from collections.abc import Sequence
from typing import Any

from skyrack.orchestrator.clock import Clock
from skyrack.orchestrator.runtime.ending import ended
from skyrack.orchestrator.runtime.entries import LOOPBACK, Entries, MakeEntries
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.places import Places
from skyrack.orchestrator.runtime.spawned_nodes import backoff_s

BACKLOG = 512
PORTS_TRIED = 100  # beyond as many as there are entries
STABLE_S = 10.0  # a process that served this long is started again with the first back-off
STOP_PATIENCE_S = 1.0
_MODULE = "skyrack.groundstation.entry"


def local_entries(first_port: int | None) -> MakeEntries:
    """What makes the entries of a local run, on ports from `first_port` on; None: there are none."""

    def make(nodes: Sequence[str], places: Places, events: EventLog, clock: Clock) -> Entries:
        return LocalEntries([] if first_port is None else nodes, first_port or 0, places, events, clock)

    return make


class LocalEntries:
    """Owns the ports from its beginning. Raises RuntimeError when there are not enough free ones."""

    def __init__(
        self, nodes: Sequence[str], first_port: int, places: Places, events: EventLog, clock: Clock
    ) -> None:
        self._listeners = dict(zip(nodes, _listeners(first_port, len(nodes)), strict=True))
        self._mesh_dir = places.mesh_dir
        self._log = places.logs / "entry.log"
        self._events = events
        self._clock = clock
        self._process: asyncio.subprocess.Process | None = None

    async def run(self) -> None:
        """Start the process, and start it again whenever it ends."""
        failures = 0
        while self._listeners:
            since_s = self._clock.run_s()
            ended = await self._one()
            self._events.add("entry_down", **ended)
            if self._clock.run_s() - since_s > STABLE_S:
                failures = 0
            failures += 1
            await self._clock.sleep(backoff_s(failures))
            self._events.add("entry_up")

    async def stop(self) -> None:
        """Give the ports back, end the process."""
        for listener in self._listeners.values():
            listener.close()
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.terminate()
        await ended(process, STOP_PATIENCE_S)

    def status(self) -> list[dict[str, Any]]:
        """As users reach them."""
        return [
            {"node": node, "proxy": f"{LOOPBACK}:{listener.getsockname()[1]}"}
            for node, listener in self._listeners.items()
        ]

    async def _one(self) -> dict[str, Any]:
        """One process, from its start to its end; how it ended, as fields of an event."""
        fds = {node: listener.fileno() for node, listener in self._listeners.items()}
        words = [word for node, fd in fds.items() for word in ("--entry", f"{node}=fd:{fd}")]
        try:
            with self._log.open("ab") as log:
                self._process = process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", _MODULE, "--mesh-dir", str(self._mesh_dir), *words,
                    stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=tuple(fds.values()),
                )  # fmt: skip
        except OSError as error:
            return {"error": error.strerror or str(error)}
        return {"status": await process.wait()}


def _listeners(first_port: int, count: int) -> list[socket.socket]:
    """Listening sockets on the first `count` free ports. Raises RuntimeError."""
    found: list[socket.socket] = []
    port = first_port
    last = min(first_port + count + PORTS_TRIED - 1, 65535)
    while len(found) < count:
        if port > last:
            for listener in found:
                listener.close()
            raise RuntimeError(
                f"the entries need {count} free ports, and there are {len(found)} from {first_port} to {last} on "
                f"{LOOPBACK}: choose others with --entry-port, or 0 for none"
            )
        with contextlib.suppress(_TakenError):
            found.append(_listener(port))
        port += 1
    return found


class _TakenError(Exception):
    """Somebody else has the port."""


def _listener(port: int) -> socket.socket:
    try:
        return socket.create_server((LOOPBACK, port), backlog=BACKLOG)
    except OSError as error:
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise _TakenError from error
        raise RuntimeError(f"cannot listen on {LOOPBACK}:{port}: {error.strerror}") from error
