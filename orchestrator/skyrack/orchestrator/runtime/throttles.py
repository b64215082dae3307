"""What flight software allows the services of its satellite, kept to by hands on their processes.

It is no fault: nobody enters it, and it acts beside whatever faults do to the same processes at the same time.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Mapping

from skyrack.orchestrator.faults.hold import AS_EVER, GUESTS, Hold
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.hands.hands import CannotError, Hands
from skyrack.orchestrator.runtime.nodes import NodeBook

ANSWER_S = 2.0  # who asks does not wait for longer; events tell of what is later
# Who is allowed none is being ended by the node, for which he needs some; what is no service of the node's gets no more.
LEAST_CORES = 0.05
_LEFT = Hold(
    cpu_ratio=LEAST_CORES
)  # what an orchestrator that has ended may have left with the engine of containers


class Throttles:
    """By name of a node. `failures`: how often it could not be done."""

    def __init__(
        self,
        hands: Hands,
        book: NodeBook,
        events: EventLog,
        *,
        resumed: bool = False,
        cores: int | None = None,
    ) -> None:
        """`resumed`: another orchestrator was there before. `cores`: of this host; to be allowed as many is no limit."""
        self._hands = hands
        self._book = book
        self._events = events
        self._at_first = _LEFT if resumed else AS_EVER
        self._cores = cores or os.cpu_count() or 1
        self._wanted: dict[str, Hold] = {}
        self._held: dict[str, Hold] = {}
        self._effects: dict[str, list[str]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.failures = 0

    @property
    def in_force(self) -> Mapping[str, float]:
        """Cores that the services of a node get together, infinite for no limit; of nodes that have flight software."""
        held = ((node, self._held.get(node, AS_EVER).cpu_ratio) for node in self._wanted)
        return {node: math.inf if cores is None else cores for node, cores in held}

    async def allow(self, node: str, cpu_cores: float | None) -> list[str]:
        """Have the services of a node get so much together; None: no limit. Returns what took effect, as far as it has."""
        self._wanted[node] = self._hold_of(cpu_cores)
        task = self._tasks.get(node)
        if task is None or task.done():
            task = self._tasks[node] = asyncio.create_task(self._follow(node), name=f"throttle {node}")
        done, _ = await asyncio.wait([task], timeout=ANSWER_S)
        for one in done:
            one.result()  # who asks hears of what nobody has foreseen, and asks again
        return self._effects.get(node, [])

    async def close(self) -> None:
        """Follow no more; whoever holds lets go when hands are closed."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _hold_of(self, cpu_cores: float | None) -> Hold:
        if cpu_cores is None or cpu_cores >= self._cores:
            return AS_EVER
        return Hold(cpu_ratio=max(cpu_cores, LEAST_CORES))

    async def _follow(self, node: str) -> None:
        """Until what is held is what is wanted; what was wanted for a moment only is left out."""
        place = (self._book.by_name[node].index, GUESTS)
        while (hold := self._wanted[node]) != (before := self._held.get(node, self._at_first)):
            try:
                effects = await self._hands.hold(place, before, hold)
            except CannotError as error:
                self.failures += 1
                effects = [f"failed: {error}"]
            self._held[node] = hold  # also where it fails: it stands even so
            self._effects[node] = effects
            self._events.add("flight_throttle", node=node, cpu_cores=hold.cpu_ratio, effect=effects)
