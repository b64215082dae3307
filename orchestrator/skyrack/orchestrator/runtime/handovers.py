"""Watches the epochs come into force: a station's new satellite is an event, and is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from skyrack.orchestrator.clock import Clock
from skyrack.orchestrator.routing.handovers import handovers
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.topology.epoch import Epoch


class HandoverWatch:
    """`counts`: handovers so far, by station's name.

    `epoch_at`: what is in force at a run time. Epochs are told ahead and may be taken back, so it is asked when the time has
    come. `stations`: node indices.
    """

    def __init__(
        self,
        names: Sequence[str],
        stations: Sequence[int],
        epoch_at: Callable[[float], Epoch | None],
        events: EventLog,
        clock: Clock,
    ) -> None:
        self._names = names
        self._stations = stations
        self._epoch_at = epoch_at
        self._events = events
        self._clock = clock
        self._changes_s: asyncio.Queue[float] = asyncio.Queue()
        self._before: Epoch | None = None
        self.counts = {names[station]: 0 for station in stations}

    def expect(self, at_s: float) -> None:
        """Other links or routes will be in force from `at_s` on."""
        self._changes_s.put_nowait(at_s)

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                at_s = await self._changes_s.get()
                tasks.create_task(self._look(at_s), name="handover")

    async def _look(self, at_s: float) -> None:
        await self._clock.sleep(at_s - self._clock.run_s())
        epoch = self._epoch_at(max(at_s, self._clock.run_s()))
        if epoch is not None and epoch.in_gap:
            return  # a handover is over when the new link carries
        before, self._before = self._before, epoch
        if before is None or epoch is None or before is epoch:
            return
        for station, frm, to in handovers(before, epoch, self._stations):
            name = self._names[station]
            self.counts[name] += 1
            self._events.add(
                "handover", run_s=at_s, node=name, **{"from": self._names[frm], "to": self._names[to]}
            )
