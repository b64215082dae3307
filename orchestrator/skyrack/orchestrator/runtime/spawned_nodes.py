"""Node processes of the run's own: asks the zygote for them and starts a crashed one again, after a back-off."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from skyrack.orchestrator.clock import Clock
from skyrack.orchestrator.runtime.ending import ended
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.nodes import NodeBook, NodeState

FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 30.0
STABLE_S = 10.0  # a node that served this long starts again with the first back-off
STOP_PATIENCE_S = 20.0  # the zygote gives its nodes 5 s to end, and as long again to die
MAX_LINE_BYTES = 1 << 20
MOST_FAILED_STARTS = 3  # of a node that never served: then the run cannot start


def backoff_s(failures: int) -> float:
    """Wait before the next start: FIRST_BACKOFF_S * 2 ** (failures - 1), at most LONGEST_BACKOFF_S."""
    return float(min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(failures - 1, 30)))


class SpawnedNodes:
    """Owns the zygote process and, through it, all node processes of the run.

    No node is spawned before `may_start` is set; `log` is the zygote's, a node's own is beside it.
    """

    def __init__(
        self,
        book: NodeBook,
        configure: Callable[[NodeState], dict[str, Any]],
        events: EventLog,
        clock: Clock,
        *,
        log: Path,
        may_start: asyncio.Event,
        restart: bool,
    ) -> None:
        self.book = book
        self._configure = configure
        self._events = events
        self._clock = clock
        self._log = log
        self._may_start = may_start
        self._restart = restart
        self._writer: asyncio.StreamWriter | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False
        self._restarts: asyncio.Queue[NodeState] = asyncio.Queue()
        self._starting: set[str] = set()  # the zygote has been asked, and has not answered
        self._off: set[str] = set()
        self._news = asyncio.Condition()
        self._given_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Start the zygote and every node; serve until cancelled.

        Raises RuntimeError when the zygote ends by itself, or a node that never served fails to start again and again.
        """
        ours, theirs = socket.socketpair()
        with theirs, self._log.open("ab") as stderr:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "skyrack.node.zygote", "--fd", str(theirs.fileno()),
                *(f"--main={kind}=skyrack.groundstation.main" for kind in ("ground", "pop", "user")),
                pass_fds=(theirs.fileno(),), stdin=asyncio.subprocess.DEVNULL, stdout=stderr, stderr=stderr,
            )  # fmt: skip
        reader, self._writer = await asyncio.open_connection(sock=ours, limit=MAX_LINE_BYTES)
        await self._may_start.wait()
        for node in self.book.by_name.values():
            if node.name not in self._off:
                self._spawn(node)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._restart_crashed(tasks), name="restart-nodes")
            tasks.create_task(self._give_up(), name="give-up")
            async for line in reader:
                self._hear(json.loads(line))
                async with self._news:
                    self._news.notify_all()
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
            await ended(self._process, STOP_PATIENCE_S)

    async def signal(self, name: str, number: int) -> None:
        """Send a signal to a node's process."""
        self._signal(name, number)

    def _signal(self, name: str, number: int) -> None:
        self._send({"op": "signal", "name": name, "signal": number})

    async def gone(self, node: NodeState, pid: int) -> None:
        """Wait until that process of a node has ended, and everything in its PID namespace with it."""
        async with self._news:
            await self._news.wait_for(lambda: node.pid != pid)

    async def switch_off(self, node: NodeState) -> None:
        """Kill a node's process, if there is one, and start none until `switch_on`."""
        self._off.add(node.name)
        if node.alive:
            self._signal(node.name, signal.SIGKILL)
        async with self._news:
            await self._news.wait_for(lambda: not node.alive and node.name not in self._starting)

    def keep_off(self, node: NodeState) -> None:
        """Do not start it with the others."""
        self._off.add(node.name)

    def switch_on(self, node: NodeState) -> None:
        """Start the node's process again."""
        self._off.discard(node.name)
        node.failures = 0
        self._start_again(node)

    def attached(self, node: NodeState, attached: bool) -> None:
        """The fabric says whether the node's lasers are lit."""
        self.book.update(node, attached=attached)

    def joined(self, node: NodeState, joined: bool) -> None:
        """The node joined, or its stream ended."""
        self.book.update(node, joined=joined)

    def _hear(self, message: dict[str, Any]) -> None:
        node = self.book.by_name.get(message.get("name", ""))
        if node is None:
            self._events.add(
                f"zygote_{message['event']}", **{k: v for k, v in message.items() if k != "event"}
            )
            return
        match message["event"]:
            case "spawned":
                self._starting.discard(node.name)
                node.starts += 1
                self.book.update(node, pid=message["pid"], fresh=True, alive=True)
                if node.name in self._off:
                    self._signal(node.name, signal.SIGKILL)
            case "exited":
                self._exited(node, message["status"])
            case "failed":
                self._starting.discard(node.name)
                node.starts += 1
                self._events.add("node_failed", node=node.name, error=message["error"])
                node.last_words = message["error"]
                self._exited(node, {})
            case "watchdog":
                self._events.add("node_watchdog", node=node.name, silent_s=message["silent_s"])
            case other:
                self._events.add("zygote_" + other, **{k: v for k, v in message.items() if k != "event"})

    def _exited(self, node: NodeState, status: dict[str, int]) -> None:
        now = self._clock.run_s()
        was_serving = node.state == "serving"
        self.book.update(node, alive=False, joined=False, pid=0)
        if self._stopping:
            return
        if status:
            self._events.add("node_exited", node=node.name, **status)
        if node.name in self._off:
            return
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
        if node.name not in self._off:
            self._start_again(node)

    def _start_again(self, node: NodeState) -> None:
        if not node.alive and node.name not in self._starting:
            node.restarts += node.starts > 0
            self._spawn(node)

    def _spawn(self, node: NodeState) -> None:
        self._starting.add(node.name)
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
