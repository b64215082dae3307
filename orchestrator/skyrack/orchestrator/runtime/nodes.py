"""The node processes: asks the zygote for them, knows their state, starts a crashed one again.

starting --attached to the fabric, joined--> serving --socket or process gone--> dark --back-off--> starting
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skyrack.orchestrator.clock import Clock
from skyrack.orchestrator.runtime.events import EventLog

FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 30.0
STABLE_S = 10.0  # a node that served this long starts again with the first back-off
MAX_LINE_BYTES = 1 << 20
MOST_FAILED_STARTS = 3  # of a node that never served: then the run cannot start


def backoff_s(failures: int) -> float:
    """Wait before the next start: FIRST_BACKOFF_S * 2 ** (failures - 1), at most LONGEST_BACKOFF_S."""
    return float(min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** (failures - 1)))


@dataclass
class NodeState:
    """One inhabited node, as the orchestrator sees it."""

    index: int
    name: str
    kind: str  # "satellite" | "ground"
    address: str
    pid: int = 0
    attached: bool = False
    joined: bool = False
    alive: bool = False
    restarts: int = 0
    failures: int = 0
    served_since_s: float = 0.0
    ever_served: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def state(self) -> str:
        """serving, starting or dark."""
        if self.alive and self.attached and self.joined:
            return "serving"
        if self.alive or not self.ever_served:
            return "starting"
        return "dark"


class NodeSupervisor:
    """Owns the zygote process and, through it, all node processes of the run."""

    def __init__(
        self,
        nodes: list[NodeState],
        configure: Callable[[NodeState], dict[str, Any]],
        events: EventLog,
        clock: Clock,
        *,
        restart: bool,
    ) -> None:
        self.nodes = {node.name: node for node in nodes}
        self._configure = configure
        self._events = events
        self._clock = clock
        self._restart = restart
        self._writer: asyncio.StreamWriter | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False
        self._restarts: asyncio.Queue[NodeState] = asyncio.Queue()
        self._given_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, log: Path) -> None:
        """Start the zygote and every node; serve until cancelled. Raises RuntimeError when the zygote ends by itself."""
        ours, theirs = socket.socketpair()
        with theirs, log.open("ab") as stderr:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "skyrack.node.zygote", "--fd", str(theirs.fileno()),
                pass_fds=(theirs.fileno(),), stdin=asyncio.subprocess.DEVNULL, stdout=stderr, stderr=stderr,
            )  # fmt: skip
        reader, self._writer = await asyncio.open_connection(sock=ours, limit=MAX_LINE_BYTES)
        for node in self.nodes.values():
            self._spawn(node)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._restart_crashed(tasks), name="restart-nodes")
            tasks.create_task(self._give_up(), name="give-up")
            async for line in reader:
                self._hear(json.loads(line))
            if not self._stopping:
                raise RuntimeError(f"the zygote ended; its last words are in {log}")

    async def stop(self) -> None:
        """End all nodes: the zygote asks each, then insists."""
        self._stopping = True
        if self._writer is not None:
            self._writer.close()
        if self._process is not None:
            try:
                await asyncio.wait_for(self._process.wait(), 8.0)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()

    def signal(self, name: str, number: int) -> None:
        """Send a signal to a node's process."""
        self._send({"op": "signal", "name": name, "signal": number})

    def attached(self, node: NodeState, attached: bool) -> None:
        """The fabric says whether the node's lasers are lit."""
        self._update(node, lambda: setattr(node, "attached", attached))

    def joined(self, node: NodeState, joined: bool) -> None:
        """The node joined, or its stream ended."""
        self._update(node, lambda: setattr(node, "joined", joined))

    def _update(self, node: NodeState, change: Callable[[], None]) -> None:
        before = node.state
        change()
        if node.state == before:
            return
        if node.state == "serving":
            node.served_since_s = self._clock.run_s()
            self._events.add("node_serving", node=node.name, restarts=node.restarts)
            node.ever_served = True
        node.changed.set()

    def _hear(self, message: dict[str, Any]) -> None:
        node = self.nodes.get(message.get("name", ""))
        if node is None:
            self._events.add("zygote", **message)
            return
        match message["event"]:
            case "spawned":
                node.pid = message["pid"]
                self._update(node, lambda: setattr(node, "alive", True))
            case "exited":
                self._exited(node, message["status"])
            case "failed":
                self._events.add("node_failed", node=node.name, error=message["error"])
                self._exited(node, {})
            case other:
                self._events.add("zygote_" + other, **{k: v for k, v in message.items() if k != "event"})

    def _exited(self, node: NodeState, status: dict[str, int]) -> None:
        now = self._clock.run_s()
        was_serving = node.state == "serving"

        def gone() -> None:
            node.alive = node.joined = False
            node.pid = 0

        self._update(node, gone)
        if self._stopping:
            return
        if status:
            self._events.add("node_exited", node=node.name, **status)
        if not node.ever_served and node.failures + 1 >= MOST_FAILED_STARTS and not self._given_up.done():
            self._given_up.set_exception(RuntimeError(f"{node.name} does not start"))
        node.failures = 1 if was_serving and now - node.served_since_s > STABLE_S else node.failures + 1
        if self._restart:
            self._restarts.put_nowait(node)

    async def _give_up(self) -> None:
        await self._given_up

    async def _restart_crashed(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            node = await self._restarts.get()
            tasks.create_task(self._restart_later(node), name=f"restart-{node.name}")

    async def _restart_later(self, node: NodeState) -> None:
        await self._clock.sleep(backoff_s(node.failures))
        node.restarts += 1
        self._spawn(node)

    def _spawn(self, node: NodeState) -> None:
        self._send({"op": "spawn", "config": self._configure(node)})

    def _send(self, message: dict[str, Any]) -> None:
        if self._writer is not None and not self._stopping:
            self._writer.write(json.dumps(message).encode() + b"\n")
