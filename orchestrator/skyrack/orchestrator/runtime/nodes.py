"""The node processes: asks the zygote for them, knows their state, starts a crashed one again.

starting --attached to the fabric, joined--> serving --socket or process gone--> dark --back-off--> starting
"""

from __future__ import annotations

import asyncio
import contextlib
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
PATIENCE_S = 60.0  # without any node becoming ready the start has failed
STABLE_S = 10.0  # a node that served this long starts again with the first back-off
MAX_LINE_BYTES = 1 << 20
MOST_FAILED_STARTS = 3  # of a node that never served: then the run cannot start


def backoff_s(failures: int) -> float:
    """Wait before the next start: FIRST_BACKOFF_S * 2 ** (failures - 1), at most LONGEST_BACKOFF_S."""
    return float(min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(failures - 1, 30)))


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
    fresh: bool = False  # spawned, and has not served since
    last_words: str = ""
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
        self._log = Path()
        self._restarts: asyncio.Queue[NodeState] = asyncio.Queue()
        self._given_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, log: Path) -> None:
        """Start the zygote and every node; serve until cancelled.

        Raises RuntimeError when the zygote ends by itself, or a node that never served fails to start again and again.
        """
        self._log = log
        ours, theirs = socket.socketpair()
        with theirs, log.open("ab") as stderr:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "skyrack.node.zygote", "--fd", str(theirs.fileno()),
                "--main", "ground=skyrack.groundstation.main",
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
                status = await self._process.wait()
                how = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
                raise RuntimeError(
                    f"the process that starts the nodes has ended ({how}), and all nodes with it"
                )

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
            # "attach": the process is the same, its lasers were dark for a while.
            cause = "attach" if not node.fresh else "restart" if node.restarts else "start"
            self._events.add("node_serving", node=node.name, restarts=node.restarts, cause=cause)
            again, node.fresh = node.ever_served, False
            node.ever_served = True
            if again and all(other.state == "serving" for other in self.nodes.values()):
                self._events.add("all_serving", nodes=len(self.nodes))
        node.changed.set()

    def _hear(self, message: dict[str, Any]) -> None:
        node = self.nodes.get(message.get("name", ""))
        if node is None:
            self._events.add(
                f"zygote_{message['event']}", **{k: v for k, v in message.items() if k != "event"}
            )
            return
        match message["event"]:
            case "spawned":
                node.pid = message["pid"]
                node.fresh = True
                self._update(node, lambda: setattr(node, "alive", True))
            case "exited":
                self._exited(node, message["status"])
            case "failed":
                self._events.add("node_failed", node=node.name, error=message["error"])
                node.last_words = message["error"]
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
        allowed = MOST_FAILED_STARTS if self._restart else 1
        if not node.ever_served and node.failures + 1 >= allowed and not self._given_up.done():
            self._given_up.set_exception(RuntimeError(self._why_not(node, status)))
        node.failures = 1 if was_serving and now - node.served_since_s > STABLE_S else node.failures + 1
        if self._restart:
            self._restarts.put_nowait(node)

    def _why_not(self, node: NodeState, status: dict[str, int]) -> str:
        """The node's last words, else how it ended."""
        how = (
            f"killed by signal {status['signal']}"
            if "signal" in status
            else f"exit status {status.get('code', 1)}"
        )
        words = node.last_words or last_words(self._log, self._log.with_name(f"{node.name}.jsonl"), node.name)
        tries = node.failures + 1
        often = f" ({tries} attempts)" if tries > 1 else ""
        return f"{node.name} does not start{often}: {words or how}"

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


def last_words(zygote_log: Path, node_log: Path, name: str) -> str:
    """The last error a node has written: in its own log, else what the zygote printed for it; empty when there is none."""
    with contextlib.suppress(OSError):
        for line in reversed(node_log.read_text(errors="replace").splitlines()):
            with contextlib.suppress(ValueError, TypeError, KeyError):
                record = json.loads(line)
                if record["level"] in ("error", "critical"):
                    fields = record.get("fields", {})
                    detail = fields.get("error") or fields.get("exception", "").strip().rpartition("\n")[2]
                    return f"{record['msg']}: {detail}" if detail else str(record["msg"])
    with contextlib.suppress(OSError):
        for line in reversed(zygote_log.read_text(errors="replace").splitlines()):
            if line.startswith(f"{name}: "):
                return line.removeprefix(f"{name}: ")
    return ""
