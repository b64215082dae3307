"""Python services: a class of the user's, run as a task of the node's own event loop."""

from __future__ import annotations

import asyncio
import logging
import os
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyrack.node.clock import RealClock
from skyrack.node.logs import fields, log
from skyrack.node.services.modules import load, said
from skyrack.node.services.runner import Ended, Place, Surroundings
from skyrack.node.services.tasks import Tasks
from skyrack.node.services.watchdog import Watchdog
from skyrack.service import Clock, Node, NotAvailableError

if TYPE_CHECKING:
    from skyrack.node.knowledge import Knowledge
    from skyrack.node.services.output import Output
    from skyrack.v1 import service_pb2

NOT_SAID = "it has not called node.ready() yet"
INSIST_S = 1.0
INSISTED = 20  # times within it: while the host stands still nobody gets a turn to end in
_watchdog = Watchdog(RealClock())  # a node is a process


class PythonRunner:
    """A Runner. It is no process, so it cannot be forced to end: it is cancelled until it does, or for INSIST_S."""

    pid = 0
    cpu_s = 0.0

    def __init__(self, spec: service_pb2.ServiceSpec, place: Place, around: Surroundings) -> None:
        self.notes: list[str] = []
        self._spec = spec
        self._place = place
        self._around = around
        self._directories = [os.path.abspath(directory) for directory in spec.python_path]
        self._tasks = Tasks(around.pace)
        self._task: asyncio.Task[Ended] | None = None
        self._node: Node | None = None
        self._asked = False
        self._why_not = NOT_SAID
        self._told = asyncio.Event()

    async def start(self) -> None:
        """Import it and have it run."""
        kind = load(self._spec.python, self._spec.python_path)
        data_dir = Path(self._place.data_dir)
        for name, text in self._spec.files.items():
            if not (data_dir / name).exists():
                (data_dir / name).write_text(text)
        node = self._node = Node(
            self._around.config,
            service=self._spec.name,
            data_dir=data_dir,
            options=dict(self._spec.environment),
            log=_logger(self._around.config.name, self._spec.name, self._place.output),
            clock=Clock(self._around.clock, self._knowledge),
            knowledge=self._knowledge,
            desk=self._around.desk,
            grpc_server=self._around.methods.of(self._spec.name, self._around.pace),
            tell=self._tell,
        )
        _watchdog.watch(self._spec.name, self._directories, self._blocked)
        self._task = self._tasks.start(self._run(kind, node), f"service {self._spec.name}")

    async def wait(self) -> Ended:
        """How it ended."""
        assert self._task is not None
        return await asyncio.shield(self._task)

    async def reasons(self) -> AsyncIterator[str]:
        """Why it is not ready, by its own word; empty when it is."""
        while True:
            self._told.clear()
            yield self._why_not
            await self._told.wait()

    def terminate(self) -> None:
        """Cancel it, once."""
        if self._task is not None and not self._asked:
            self._asked = True
            self._task.cancel()

    async def kill(self) -> None:
        """Cancel it and the tasks it has started, again and again, and take back what it registered."""
        self._asked = True
        for _ in range(INSISTED):
            if not (running := self._tasks.running()):
                break
            for task in running:
                task.cancel()
            await asyncio.wait(running, timeout=INSIST_S / INSISTED)
        if running := self._tasks.running():
            log.error("service does not end", extra=fields(service=self._spec.name, tasks=len(running)))
        self._around.methods.end(self._spec.name)
        _watchdog.leave(self._spec.name)
        if self._node is not None:
            await self._node.close()

    def pids(self) -> list[int]:
        """None of its own."""
        return []

    async def _run(self, kind: type[Any], node: Node) -> Ended:
        """The task; what SystemExit would do to the loop, and so to the node, stays in here."""
        try:
            await kind().run(node)
        except asyncio.CancelledError:
            if self._asked:
                return Ended(status=0)
            return Ended(status=1, last_words="it was cancelled by itself")
        except SystemExit as error:
            return Ended(status=error.code if isinstance(error.code, int) else 1, last_words=str(error))
        except (Exception, KeyboardInterrupt) as error:
            inner = error.__traceback__.tb_next if error.__traceback__ else None  # without this frame
            for line in traceback.format_exception(type(error), error, inner):
                self._place.output.lines("stderr", line.rstrip("\n").split("\n"))
            return Ended(status=1, last_words=said(error, self._directories))
        return Ended(status=0)

    def _blocked(self, late_s: float, where: str) -> None:
        text = f"kept the node from everything else for {late_s * 1e3:.0f} ms, at {where}"
        self._place.output.line("stderr", f"warning: {text}; `await asyncio.to_thread(...)` what takes long")
        log.warning(f"a service {text}", extra=fields(service=self._spec.name))

    def _tell(self, why_not: str) -> None:
        self._why_not = why_not
        self._told.set()

    def _knowledge(self) -> Knowledge:
        if self._around.control.knowledge is None:
            raise NotAvailableError("no word from the orchestrator yet")
        return self._around.control.knowledge


class _Lines(logging.Handler):
    """A service's logger, in lines as a process would print."""

    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        if record.levelno <= logging.INFO:
            self._output.lines("stdout", text.split("\n"))
        else:
            self._output.lines("stderr", f"{record.levelname.lower()}: {text}".split("\n"))


def _logger(node: str, service: str, output: Output) -> logging.Logger:
    """Of this start; not in logging's own tables, which keep everything."""
    logger = logging.Logger(f"{node}.{service}", logging.INFO)
    logger.addHandler(_Lines(output))
    return logger
