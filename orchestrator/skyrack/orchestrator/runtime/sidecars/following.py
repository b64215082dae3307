"""Has containers beside nodes run as their nodes say: what a node does to services of its own, the engine does to these.

a node's report --Services--> phase --Wanted--> orders --keeper--> engine
    starting, ready, unready        it runs; once more for a bite of its watchdog
    waiting, failed                 killed: its watchdog has bitten
    stopped                         ended: its satellite is in safe mode
    at a drained node, to be anew   ended, and drained or begun anew when that is done
    awaited                         it ends and starts with its node, as the kernel and the keeper see to
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.services.entry import Entry
from skyrack.orchestrator.runtime.services.services import Services
from skyrack.orchestrator.runtime.sidecars.orders import OrderError

RUNS, ENDED, KILLED = "start", "stop", "kill"
_BY_PHASE: Final = {
    "starting": RUNS,
    "ready": RUNS,
    "unready": RUNS,
    "waiting": KILLED,
    "failed": KILLED,
    "finished": ENDED,
    "stopped": ENDED,
}


@dataclass(frozen=True)
class Wanted:
    """How a container is to be: RUNS, ENDED or KILLED, and after how many bites of its watchdog."""

    state: str
    bites: int


def wanted(entry: Entry, *, drained: bool) -> Wanted | None:
    """What its node and its operators want; None: whatever becomes of its node."""
    state = ENDED if drained or entry.anew else _BY_PHASE.get(entry.phase)
    return None if state is None else Wanted(state, entry.status.watchdog_restarts)


def orders(before: Wanted | None, now: Wanted) -> tuple[str, ...]:
    """What has to be done for it, in this order; `before` None: nobody knows."""
    if before is None:
        return (now.state,)
    if now.state != RUNS:
        return (now.state,) if before.state == RUNS else ()
    if before.state != RUNS:
        return (RUNS,)
    return (KILLED, RUNS) if now.bites > before.bites else ()


class Following:
    """Follows until it is closed. `order(entry, do)` raises OrderError."""

    def __init__(
        self, services: Services, events: EventLog, order: Callable[[Entry, str], Awaitable[list[str]]]
    ) -> None:
        self._services = services
        self._events = events
        self._order = order
        self._done: dict[tuple[str, str], Wanted] = {}
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        if not services.continued:  # else an orchestrator before this one may have ended some
            for entry in services.beside():
                self._done[_key(entry)] = Wanted(RUNS, 0)
        services.listen(self._look)

    async def close(self) -> None:
        """Follow no more; containers stay as they are."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _look(self) -> None:
        for entry in self._services.beside():
            key = _key(entry)
            if not self._services.in_service(entry):
                # Beside a node that waits for its launch it runs already, without a network: then it begins anew.
                self._done[key] = Wanted(RUNS, -1)
            task = self._tasks.get(key)
            if self._due(entry) and (task is None or task.done()):
                self._tasks[key] = asyncio.create_task(self._follow(entry), name=f"sidecar {'.'.join(key)}")

    def _wanted(self, entry: Entry) -> Wanted | None:
        return wanted(entry, drained=entry.member.node in self._services.drained)

    def _due(self, entry: Entry) -> bool:
        now = self._wanted(entry)
        return now is not None and now != self._done.get(_key(entry))

    async def _follow(self, entry: Entry) -> None:
        """Until what was done is what is wanted. What cannot be done is not tried again before something else is wanted."""
        key = _key(entry)
        while (now := self._wanted(entry)) is not None and now != (before := self._done.get(key)):
            self._done[key] = now
            try:
                for do in orders(before, now):
                    self._tell(entry, effect=await self._order(entry, do))
            except OrderError as error:
                self._tell(entry, error=str(error))
                self._services.not_ended_beside(entry)
            else:
                if now.state != RUNS:
                    self._services.ended_beside(entry)

    def _tell(self, entry: Entry, **fields: Any) -> None:
        self._events.add("service_container", node=entry.member.node, service=entry.service.name, **fields)


def _key(entry: Entry) -> tuple[str, str]:
    return entry.member.node, entry.service.name
