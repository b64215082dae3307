"""Nodes that are processes of the run's own: their holder is one more, which sees all of them."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from skyrack.orchestrator.clock import Clock
from skyrack.orchestrator.faults.hold import GUESTS
from skyrack.orchestrator.runtime.ending import ended
from skyrack.orchestrator.runtime.hands.gone import within
from skyrack.orchestrator.runtime.hands.hands import CannotError
from skyrack.orchestrator.runtime.hands.holder import Holder
from skyrack.orchestrator.runtime.nodes import NodeState
from skyrack.orchestrator.runtime.services.entry import Entry
from skyrack.orchestrator.runtime.services.prepared import LocalRoom
from skyrack.orchestrator.runtime.spawned_nodes import SpawnedNodes
from skyrack.orchestrator.scenario import Limits

END_S = 30.0  # of a holder whose connection has ended: it only has to let go
_OF_SOME = ("pause", "cpu", "flip-memory", "crash", "hang")  # what acts on processes one by one


class LocalSite:
    """Site. `log`: what the holder has to say."""

    def __init__(self, nodes: SpawnedNodes, room: LocalRoom, clock: Clock, log: Path) -> None:
        self._nodes = nodes
        self._room = room
        self._log = log
        self._holder = Holder(self._connect, clock)
        self._process: asyncio.subprocess.Process | None = None
        self._groups: dict[tuple[str, str], Path] = {}
        self._sees = os.readlink("/proc/self") == str(os.getpid())

    def why_not(self, kind: str, node: NodeState, services: Mapping[str, Entry], service: str) -> str | None:
        """Only the whole can be had where processes cannot be seen."""
        if not self._sees and (kind in _OF_SOME or service):
            return "the processes of this run cannot be seen here: mounting a /proc of its own was refused"
        return None

    def holder(self, node: NodeState) -> Holder:
        """One for all."""
        return self._holder

    def first(self, node: NodeState) -> int:
        """0 while there is none."""
        return node.pid

    def group(
        self, node: NodeState, service: str, cpu_ratio: float | None, limits: Sequence[Limits] = ()
    ) -> str:
        """One per place, as long as it is needed."""
        place = (node.name, service)
        if cpu_ratio is None:
            if place in self._groups:
                self._room.end_share(self._groups.pop(place))
            return ""
        parts = ("throttle", node.name) if service == GUESTS else ("fault", *place)
        group = self._room.share(".".join(filter(None, parts)), cpu_ratio, limits)
        if group is None:
            return ""
        self._groups[place] = group
        return str(group)

    async def limit(self, node: NodeState, entry: Entry, cpu_cores: float | None) -> str:
        """Nothing runs in containers."""
        raise AssertionError(entry)

    async def order(self, entry: Entry, do: str, **values: Any) -> list[str]:
        """Nothing runs in containers."""
        raise AssertionError(entry)

    async def kill(self, node: NodeState) -> None:
        """Raises CannotError."""
        pid = node.pid
        await self._nodes.signal(node.name, signal.SIGKILL)
        await within(self._nodes.gone(node, pid))

    async def off(self, node: NodeState) -> None:
        """Raises CannotError."""
        await within(self._nodes.switch_off(node))

    async def erase(self, node: NodeState) -> list[str]:
        """Raises CannotError."""
        try:
            erased = await asyncio.to_thread(self._room.erase, node.name)
        except OSError as error:
            raise CannotError(f"its data: {error.strerror or error}") from error
        return [one.words for one in erased]

    async def on(self, node: NodeState) -> None:
        """Its process starts at once."""
        self._nodes.switch_on(node)

    async def close(self) -> None:
        """The holder ends with its connection."""
        await self._holder.close()
        await self._ended()

    async def _ended(self) -> None:
        """The holder there was has; one that cannot let go is followed by one that does."""
        if self._process is not None:
            await ended(self._process, END_S)

    async def _connect(self) -> socket.socket:
        await self._ended()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs, self._log.open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "skyrack.node.holding", "--fd", str(theirs.fileno()),
                    pass_fds=(theirs.fileno(),), stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                )  # fmt: skip
        except BaseException:
            ours.close()
            raise
        return ours
