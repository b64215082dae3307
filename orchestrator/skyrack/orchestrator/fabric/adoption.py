"""Nodes that take up a new route table one after the other, each at an instant of its own, as news reaches them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skyrack.orchestrator.fabric.engine import Engine

NODES_PER_STEP = 256  # some 20 us: one event must not hold packets up


class Adoption:
    """Lets nodes[i] follow `table` from times_s[i] on, in ascending order; one event on the engine's heap at any time.

    What is past already is caught up with at once, but for nodes that follow an order for a later instant by now: an order
    that is heard late must not take them back. `superseded`: whether a newer order has replaced what is left of this.
    """

    def __init__(
        self, engine: Engine, table: Any, times_s: Any, nodes: Any, count: int, superseded: Callable[[], bool]
    ) -> None:
        self._engine = engine
        self._table = table
        self._times_s = times_s
        self._nodes = nodes
        self._count = count
        self._superseded = superseded
        self._next = 0
        if count:
            engine.at(times_s[0], self._step)

    def _step(self, now_s: float) -> None:
        if self._superseded():
            return
        views, since_s = self._engine.views, self._engine.since_s
        times_s, nodes, table = self._times_s, self._nodes, self._table
        i, stop = self._next, min(self._count, self._next + NODES_PER_STEP)
        while i < stop and times_s[i] <= now_s:
            if times_s[i] >= since_s[nodes[i]]:
                views[nodes[i]], since_s[nodes[i]] = table, times_s[i]
            i += 1
        self._next = i
        if i < self._count:
            self._engine.at(max(now_s, times_s[i]), self._step)
