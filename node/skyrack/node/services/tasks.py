"""Which tasks of the node's loop belong to a Python service: its own, those it starts, and those that they start."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet

if TYPE_CHECKING:
    from skyrack.node.services.pace import Pace

T = TypeVar("T")

_owner: ContextVar[Tasks | None] = ContextVar("service", default=None)


class Tasks:
    """The tasks of one start of a service."""

    def __init__(self, pace: Pace | None = None) -> None:
        """`pace`: what they keep to, with those of other services."""
        self.pace = pace
        self._tasks: WeakSet[asyncio.Task[Any]] = WeakSet()

    def start(self, coroutine: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Start the first one."""
        loop = asyncio.get_running_loop()
        loop.set_task_factory(_made)
        context = copy_context()
        context.run(_owner.set, self)
        return context.run(loop.create_task, coroutine, name=name)

    def running(self) -> list[asyncio.Task[Any]]:
        """Those that have not ended."""
        return [task for task in self._tasks if not task.done()]

    def add(self, task: asyncio.Task[Any]) -> None:
        """One more."""
        self._tasks.add(task)


def _made(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
    """A task factory: whoever starts a task owns it."""
    owner = _owner.get()
    if owner is not None and owner.pace is not None:
        coroutine = owner.pace.keeping(coroutine)
    task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, **options)
    if owner is not None:
        owner.add(task)
    return task
