"""Starts sidecars whose nodes are back, and ends those that are to rest: looks whenever a container starts or ends, and again
until none is due."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from skyrack.orchestrator.clock import Clock
from skyrack.orchestrator.runtime.sidecars.due import Container, due
from skyrack.orchestrator.runtime.sidecars.engine import Engine, EngineError
from skyrack.orchestrator.runtime.sidecars.listening import listens
from skyrack.v1.node_init import init_socket

LOOK_S = 0.1
LONGEST_WAIT_S = 10.0
AGAIN_S = 1.0  # after the engine has refused to tell events


@dataclass
class _Refused:
    """A start that failed: when it is tried again, in run time, and how long was waited."""

    again_s: float
    wait_s: float


class Keeper:
    """Of one project's sidecars."""

    def __init__(
        self,
        engine: Engine,
        project: str,
        mesh_dir: Path,
        clock: Clock,
        say: Callable[[str], None],
        prepare: Callable[[str], None],
    ) -> None:
        """`prepare`: called with a sidecar's name in the project before it is started; may raise OSError."""
        self._engine = engine
        self._project = project
        self._mesh_dir = mesh_dir
        self._clock = clock
        self._say = say
        self._prepare = prepare
        self._news = asyncio.Event()
        self._refused: dict[str, _Refused] = {}
        self._resting: set[str] = set()  # stopped, and not to be started before `wake`
        self._signalled: set[str] = set()  # since they started last
        self._starting = asyncio.Lock()

    async def rest(self, sidecar: Container) -> None:
        """Whoever ends it now: do not start it before `wake`."""
        async with self._starting:
            self._resting.add(sidecar.identity)

    async def wake(self, sidecar: Container) -> bool:
        """Start it now or, when its node does not run, with that; whether it runs. Raises EngineError, LookupError."""
        async with self._starting:
            self._resting.discard(sidecar.identity)
            if sidecar.state not in ("exited", "created"):
                return True
            if not self._has_init(sidecar):
                return False
            await self._start(sidecar)
            return True

    def signalled(self, sidecar: Container) -> None:
        """It was sent a signal: when it ends, its restart is nobody else's."""
        self._signalled.add(sidecar.identity)

    async def run(self) -> None:
        """For ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen(), name="engine events")
            while True:
                await self._news.wait()
                self._news.clear()
                while await self._look(tasks):
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_S):
                            await self._news.wait()
                    self._news.clear()

    async def _listen(self) -> None:
        while True:
            try:
                async for _ in self._engine.changes(self._project):
                    self._news.set()
            except EngineError as error:
                self._say(f"the engine: {error}")
            await self._clock.sleep(AGAIN_S)

    async def _look(self, tasks: asyncio.TaskGroup) -> bool:
        """Start those that are due, and end those that somebody has started who are to rest; whether some are still due."""
        left = False
        try:
            for sidecar in await self._engine.sidecars(self._project):
                node = await self._engine.container(sidecar.beside) if sidecar.state == "exited" else None
                if sidecar.identity in self._resting and sidecar.state == "running":
                    tasks.create_task(self._stop(sidecar), name=f"stop {sidecar.service}")
                elif due(sidecar, node, signalled=sidecar.identity in self._signalled):
                    left |= not await self.started(sidecar)
                else:
                    self._refused.pop(sidecar.identity, None)
        except EngineError as error:
            self._say(f"the engine: {error}")
            await self._clock.sleep(AGAIN_S)
            return True
        return left

    async def started(self, sidecar: Container) -> bool:
        """Start it, unless it rests, once its node has made its interface; whether nothing is left to do."""
        now_s = self._clock.run_s()
        refused = self._refused.get(sidecar.identity)
        if (refused and now_s < refused.again_s) or not self._has_init(sidecar):
            return False
        try:
            async with self._starting:
                if sidecar.identity in self._resting:
                    return True
                await self._start(sidecar)
        except (EngineError, LookupError) as error:
            wait_s = min(2 * refused.wait_s, LONGEST_WAIT_S) if refused else LOOK_S
            self._refused[sidecar.identity] = _Refused(now_s + wait_s, wait_s)
            self._say(f"{sidecar.name} does not start: {error}")
            return False
        self._refused.pop(sidecar.identity, None)
        self._say(f"{sidecar.name} starts again at {sidecar.node}")
        return True

    async def _stop(self, sidecar: Container) -> None:
        try:
            await self._engine.stop(sidecar.identity)
        except (EngineError, LookupError) as error:
            self._say(f"{sidecar.name} does not stop: {error}")

    async def _start(self, sidecar: Container) -> None:
        try:
            self._prepare(sidecar.service)
        except OSError as error:
            self._say(f"the data of {sidecar.name}: {error.strerror or error}")
        await self._engine.start(sidecar)
        self._signalled.discard(sidecar.identity)

    def _has_init(self, sidecar: Container) -> bool:
        """The init of a node's container listens once the node's interface is made."""
        return listens(init_socket(self._mesh_dir, sidecar.node), socket.SOCK_SEQPACKET)
