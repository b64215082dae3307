"""A service that is a program: executed through launch.py, with its output in pipes, marked so that nothing of it is lost.

node --posix_spawn--> launch.py --exec--> program --fork--> ...   all with one mark
  ^   order: memfd       |                   |
  |<-- result pipe ------' EOF at exec       |
  |<-- stdout, stderr -----------------------'
"""

from __future__ import annotations

import asyncio
import contextlib
import marshal
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from skyrack.node.logs import fields, log
from skyrack.node.process import Process
from skyrack.node.services import processes
from skyrack.node.services.output import Output, Pipe
from skyrack.node.services.policy import reason
from skyrack.node.services.probes import NotReadyError
from skyrack.node.services.runner import CannotStartError, Ended, Place, Surroundings

if TYPE_CHECKING:
    from skyrack.node.reaper import Exit
    from skyrack.node.services.launch import Order
    from skyrack.v1 import service_pb2

_LAUNCHER = str(Path(__file__).with_name("launch.py"))
# Children of a program that ends are often about to end, too.
LEFT_GRACE_S = 0.5
LEFT_LOOK_S = 0.02


@dataclass(frozen=True)
class Program:
    """What is executed, and as whom."""

    command: list[str]
    environment: dict[str, str]
    directory: str
    user: str
    files: dict[str, str]
    cgroups: list[str]

    @classmethod
    def of(cls, spec: service_pb2.ServiceSpec, place: Place) -> Program:
        """A service's own program."""
        return cls(
            list(spec.command), place.environment, place.data_dir, spec.user, dict(spec.files), list(spec.cgroup_dirs)
        )  # fmt: skip


class Execution:
    """One process of a program, and all that descends from it."""

    def __init__(self, program: Program, mark: int, around: Surroundings, output: Output | None) -> None:
        """`output` None: it is not logged."""
        self._program = program
        self._mark = mark
        self._around = around
        self._output = output
        self._end: asyncio.Future[Exit] | None = None
        self._pipes: list[Pipe] = []
        self.pid = 0
        self.notes: list[str] = []

    async def start(self) -> None:
        """Execute it. Raises CannotStartError, and OSError when there is no process to be had."""
        self._pipes = [Pipe("stdout", self._output), Pipe("stderr", self._output)]
        result_read, result_write = os.pipe()
        try:
            self._spawn(result_write)
        finally:
            os.close(result_write)
            for pipe in self._pipes:
                pipe.opened()
        error = ""
        for line in (await _read_to_end(result_read)).splitlines():
            word, _, text = line.partition(" ")
            if word == "note":
                self.notes.append(text)
            else:
                error = text
        if error:
            await self.kill()
            raise CannotStartError(error)

    def _spawn(self, result_write: int) -> None:
        program = self._program
        order: Order = {
            "command": program.command,
            "environment": program.environment,
            "directory": program.directory,
            "files": program.files,
            "user": program.user,
            "cgroups": program.cgroups,
            "mark": self._mark,
            "parent": os.getpid(),
        }
        order_fd, null_fd = os.memfd_create("order"), os.open(os.devnull, os.O_RDONLY)
        try:
            with open(os.dup(order_fd), "wb") as file:
                marshal.dump(dict(order), file)
            os.lseek(order_fd, 0, os.SEEK_SET)
            # A descriptor duplicated to itself is inherited.
            handed = ((null_fd, 0), *((pipe.write_fd, fd) for pipe, fd in zip(self._pipes, (1, 2), strict=True)),
                      (order_fd, order_fd), (result_write, result_write))  # fmt: skip
            self.pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-I", "-S", _LAUNCHER, str(order_fd), str(result_write)],
                {},
                file_actions=[(os.POSIX_SPAWN_DUP2, *pair) for pair in handed],
                setsigmask=[],
            )
        finally:
            os.close(order_fd)
            os.close(null_fd)
        self._end = self._around.reaper.watch(self.pid)

    async def wait(self) -> Ended:
        """How its first process ended, and what that left."""
        assert self._end is not None
        code = (await asyncio.shield(self._end)).code
        left = self._others()
        for _ in range(round(LEFT_GRACE_S / LEFT_LOOK_S)):
            if not left:
                break
            await self._around.clock.sleep(LEFT_LOOK_S)
            left = self._others()
        for pipe in self._pipes:
            pipe.drain()
        return Ended(
            status=code if code >= 0 else None,
            signal=-code if code < 0 else None,
            last_words=next((pipe.last for pipe in reversed(self._pipes) if pipe.last), ""),
            left=tuple(f"{process.name} (pid {process.pid})" for process in left),
        )

    def _others(self) -> list[Process]:
        return processes.marked(self._mark)

    def terminate(self) -> None:
        """SIGTERM to the process group of its first process."""
        if self._end is not None and not self._end.done():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGTERM)

    async def kill(self) -> None:
        """SIGKILL to all, and take what they have still printed."""
        if self._end is not None:
            if not self._end.done():
                # Before its mark: it may not have one yet.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, signal.SIGKILL)
            await asyncio.shield(self._end)
            for process in await processes.kill_marked(self._mark, self._around.clock.sleep):
                log.error("cannot be killed", extra=fields(process=process.name, pid=process.pid))
        for pipe in self._pipes:
            pipe.close()

    @property
    def cpu_s(self) -> float:
        """CPU time of its first process once that has ended, and of all that it waited for; 0 before."""
        return self._end.result().cpu_s if self._end is not None and self._end.done() else 0.0


class CommandRunner(Execution):
    """A Runner."""

    def __init__(self, spec: service_pb2.ServiceSpec, place: Place, around: Surroundings) -> None:
        self.mark = around.marks.new()
        super().__init__(Program.of(spec, place), self.mark, around, place.output)

    async def reasons(self) -> AsyncIterator[str]:
        """A process that runs is ready."""
        yield ""

    def pids(self) -> list[int]:
        return [process.pid for process in self._others()]


async def _read_to_end(fd: int) -> str:
    """What comes through a pipe until its end; closes it."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(fd, "rb")
    )
    try:
        return (await reader.read()).decode(errors="replace")
    finally:
        transport.close()


def probe_command(
    command: list[str], spec: service_pb2.ServiceSpec, place: Place, around: Surroundings
) -> Callable[[], Awaitable[None]]:
    """A try that executes a program beside a service, as its user; see probes.py."""
    program = replace(Program.of(spec, place), command=command, files={})

    async def trial() -> None:
        execution = Execution(program, around.marks.new(), around, None)
        try:
            await execution.start()
            ended = await execution.wait()
        except CannotStartError as error:
            raise NotReadyError(f"probe: {error}") from error
        finally:
            await execution.kill()
        if ended.status != 0:
            raise NotReadyError(f"probe {reason(ended)}")

    return trial
