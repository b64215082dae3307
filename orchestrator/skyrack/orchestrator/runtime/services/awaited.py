"""Waiting until every service is ready, and saying which one is not and why."""

from __future__ import annotations

import asyncio
import contextlib

from skyrack.orchestrator.clock import Clock
from skyrack.orchestrator.runtime.progress import Progress
from skyrack.orchestrator.runtime.services.entry import Entry
from skyrack.orchestrator.runtime.services.services import Services

LOOK_S = 0.2
MOST_NAMED = 3


async def every_service_ready(
    services: Services, clock: Clock, progress: Progress, *, for_ever: bool
) -> None:
    """Return once every service is ready or finished; at once where there is none.

    Raises RuntimeError when one has failed, or is not ready within its time, unless `for_ever`.
    """
    if not services.count:
        return
    changed = asyncio.Event()
    services.listen(changed.set)
    began_s = clock.run_s()
    with progress.step("services") as step:
        while waiting := services.unready():
            total = services.count
            step.update(f"{total - len(waiting)}/{total} ready, waiting for {_names(waiting)}")
            if not for_ever:
                _give_up(waiting, clock.run_s() - began_s)
            changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await changed.wait()
        total = services.count
        step.text = f"{total}/{total} ready"


def _give_up(waiting: list[Entry], waited_s: float) -> None:
    """Raise RuntimeError for the first that will not become ready."""
    for entry in waiting:
        who = f"{entry.service.name} at {entry.member.node}"
        why = "; ".join(filter(None, [entry.reason, *entry.group.notes]))
        if entry.phase == "failed":
            raise RuntimeError(f"{who}: {why or 'failed'}")
        if waited_s > entry.service.ready_within_s:
            within = f"{entry.service.ready_within_s:g} s"
            raise RuntimeError(f"{who} is not ready after {within}: {why or entry.phase}")


def _names(waiting: list[Entry]) -> str:
    named = [f"{entry.service.name} at {entry.member.node}" for entry in waiting[:MOST_NAMED]]
    return ", ".join(named) + (", ..." if len(waiting) > MOST_NAMED else "")
