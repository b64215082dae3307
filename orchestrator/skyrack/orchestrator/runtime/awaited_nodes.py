"""Node processes that somebody else starts: each finds its configuration, attaches and joins when it is there.

    neither attached nor joined --either--> alive --both--> serving --neither--> gone, until its like comes back

A fabric that ends takes every node's attachment with it and no node's stream, so that alone is nobody's restart.
"""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.files import write_private, write_whole
from skyrack.orchestrator.runtime.nodes import NodeBook, NodeState
from skyrack.v1.node_init import NodeInitError, init_socket, signal_node

ABSENT = ".absent"  # beside where a node that serves listens: healthcheck.py looks for it


class AwaitedNodes:
    """Writes `<mesh_dir>/nodes/<name>.json` for each node and keeps account of those that come and go."""

    def __init__(
        self,
        book: NodeBook,
        configure: Callable[[NodeState], dict[str, Any]],
        events: EventLog,
        mesh_dir: Path,
    ) -> None:
        self.book = book
        self._configure = configure
        self._events = events
        self._mesh_dir = mesh_dir
        self._stopping = False
        self._off: set[str] = set()
        self._absent: set[str] = set()
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Tell every node what it is, then wait for ever. Raises OSError when the files cannot be written.

        A node that was told something else by an earlier run notices, ends, and is started anew with what is true now.
        """
        for node in self.book.by_name.values():
            if node.name not in self._absent:
                self._absence(node).unlink(missing_ok=True)
                self._tell(node)
        await asyncio.Event().wait()

    def _tell(self, node: NodeState) -> None:
        write_private(self._file(node), json.dumps(self._configure(node)))

    def _file(self, node: NodeState) -> Path:
        return self._mesh_dir / "nodes" / f"{node.name}.json"

    def keep_off(self, node: NodeState) -> None:
        """Its container finds no configuration, but a file that says that it waits rightly. Raises OSError."""
        self._absent.add(node.name)
        self._file(node).unlink(missing_ok=True)
        write_whole(self._absence(node), "")

    def _absence(self, node: NodeState) -> Path:
        return self._mesh_dir / "nodes" / f"{node.name}.sock{ABSENT}"

    async def stop(self) -> None:
        """Nodes outlive this process: only its own knowledge of them ends."""
        self._stopping = True

    async def signal(self, name: str, number: int) -> None:
        """Ask the init of the node's container. Raises RuntimeError."""
        try:
            await signal_node(init_socket(self._mesh_dir, name), number)
        except (OSError, NodeInitError) as error:
            raise RuntimeError(
                f"{name} cannot be signalled: {getattr(error, 'strerror', None) or error}"
            ) from error

    async def gone(self, node: NodeState) -> None:
        """Wait until nothing is heard of a node any more."""
        while node.alive:
            self._news.clear()
            await self._news.wait()

    async def switch_off(self, node: NodeState) -> None:
        """Kill a node; its container finds no configuration when it is started again, until `switch_on`.

        Raises OSError, RuntimeError.
        """
        self._off.add(node.name)
        self._file(node).unlink(missing_ok=True)
        if node.alive:
            await self.signal(node.name, signal.SIGKILL)
        await self.gone(node)

    def switch_on(self, node: NodeState) -> None:
        """Tell it what it is. Raises OSError."""
        self._off.discard(node.name)
        self._absent.discard(node.name)
        self._absence(node).unlink(missing_ok=True)
        self._tell(node)

    def switch_all_on(self) -> None:
        """Those that are off: nobody else would. Raises OSError."""
        for name in list(self._off):
            self.switch_on(self.book.by_name[name])

    def attached(self, node: NodeState, attached: bool) -> None:
        """The fabric says whether the node's lasers are lit."""
        self._see(node, attached, node.joined)

    def joined(self, node: NodeState, joined: bool) -> None:
        """The node joined, or its stream ended."""
        self._see(node, node.attached, joined)

    def _see(self, node: NodeState, attached: bool, joined: bool) -> None:
        alive = attached or joined
        came = {}
        if alive and not node.alive:
            came = {"fresh": True, "restarts": node.restarts + node.ever_served}
        gone = node.alive and not alive
        self._news.set()
        self.book.update(node, attached=attached, joined=joined, alive=alive, **came)
        if gone and not self._stopping:
            self._events.add("node_exited", node=node.name)
