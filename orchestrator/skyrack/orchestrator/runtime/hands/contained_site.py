"""Nodes in containers of their own: the init of each forks the holder of its processes."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from skyrack.orchestrator.clock import Clock
from skyrack.orchestrator.runtime.awaited_nodes import AwaitedNodes
from skyrack.orchestrator.runtime.hands.beside import Beside
from skyrack.orchestrator.runtime.hands.gone import within
from skyrack.orchestrator.runtime.hands.hands import CannotError
from skyrack.orchestrator.runtime.hands.holder import Holder
from skyrack.orchestrator.runtime.nodes import NodeState
from skyrack.orchestrator.runtime.services.entry import Entry
from skyrack.orchestrator.runtime.sidecars.orders import OrderError
from skyrack.orchestrator.scenario import Limits
from skyrack.orchestrator.scenario.placement import sidecar_name
from skyrack.v1.node_init import NodeInitError, connect_holder, init_socket

CONNECT_TIMEOUT_S = 5.0
# What the engine has in place of a kind that lasts, and so would have to be seen to whenever the container is started again.
_VERBS = {
    "pause": "docker compose pause {0}",
    "cpu": "docker update --cpus SHARE $(docker compose ps -q {0})",
}


class ContainedSite:
    """Site."""

    def __init__(self, nodes: AwaitedNodes, clock: Clock, mesh_dir: Path, beside: Beside) -> None:
        """`beside`: hands on containers beside nodes."""
        self._nodes = nodes
        self._beside = beside
        self._clock = clock
        self._mesh_dir = mesh_dir
        self._holders: dict[str, Holder] = {}

    def why_not(self, kind: str, node: NodeState, services: Mapping[str, Entry], service: str) -> str | None:
        """Containers beside the node are the engine's: what acts once is asked of it, and what lasts is not."""
        beside = [name for name, entry in services.items() if entry.beside]
        if service in beside:
            there = f"{node.name}/{service} runs in a container of its own"
            if kind == "flip-memory":
                return f"{there}, as a user whose memory nobody of {node.name} may write to"
            if kind in _VERBS:
                return f"{there}: {_VERBS[kind].format(sidecar_name(node.name, service))}"
        if beside and not service and kind in _VERBS:
            return (
                f"{node.name}: {', '.join(beside)} run in containers beside it, as users whose processes it may not "
                f"signal: take {node.name}'s other services one by one"
            )
        return None

    def holder(self, node: NodeState) -> Holder:
        """One per node."""
        if node.name not in self._holders:

            async def connect() -> socket.socket:
                path = init_socket(self._mesh_dir, node.name)
                try:
                    return await asyncio.to_thread(connect_holder, path, timeout_s=CONNECT_TIMEOUT_S)
                except NodeInitError as error:
                    raise OSError(f"its container refuses: {error}") from error

            self._holders[node.name] = Holder(connect, self._clock)
        return self._holders[node.name]

    def first(self, node: NodeState) -> None:
        """All that its init sees."""

    def group(
        self, node: NodeState, service: str, cpu_ratio: float | None, limits: Sequence[Limits] = ()
    ) -> str:
        """Groups are the engine's."""
        return ""

    async def limit(self, node: NodeState, entry: Entry, cpu_cores: float | None) -> str:
        """By the engine, whom the keeper of the containers asks."""
        name, own = entry.service.name, entry.service.limits.cpu_cores
        cores = min((one for one in (cpu_cores, own) if one is not None), default=None)
        try:
            await self._beside.order(entry, "limit", cpu_cores=cores)
        except OrderError as error:
            return f"{name}, in a container beside it, gets what it got before: {error}"
        if cpu_cores is None:
            return f"{name}, in a container beside it, gets what it got before all this"
        return f"{cores:g} of a core for {name}, in a container beside it, by a quota of the engine's"

    async def order(self, entry: Entry, do: str, **values: Any) -> list[str]:
        """Raises CannotError."""
        try:
            return await self._beside.order(entry, do, **values)
        except OrderError as error:
            raise CannotError(f"{entry.service.name}, in a container beside it: {error}") from error

    async def kill(self, node: NodeState) -> None:
        """The engine starts the container again. Raises CannotError."""
        try:
            self._nodes.signal(node.name, signal.SIGKILL)
        except RuntimeError as error:
            raise CannotError(str(error)) from error
        await within(self._nodes.gone(node))

    async def off(self, node: NodeState) -> None:
        """The container that the engine starts waits until it is told what it is. Raises CannotError."""
        try:
            await within(self._nodes.switch_off(node))
        except (OSError, RuntimeError) as error:
            raise CannotError(str(error)) from error

    async def erase(self, node: NodeState) -> list[str]:
        """What there was in it ends with its container, whose files are in memory."""
        return []

    async def on(self, node: NodeState) -> None:
        """Raises CannotError."""
        try:
            self._nodes.switch_on(node)
        except OSError as error:
            raise CannotError(f"{error.filename}: {error.strerror}") from error

    async def close(self) -> None:
        """Nodes outlive the run's orchestrator, and so must not stay as they are held."""
        await self._beside.close()
        for holder in self._holders.values():
            await holder.close()
        self._nodes.switch_all_on()
