"""Which slots of the shared memory hold a route table that a node follows, or will follow: the others may be written.

The orchestrator keeps this account from the orders it gave; the fabric does not have to be asked. Orders:

    set_routes(at)       every node follows the table from `at` on; adoptions told before and still to come then are void
    adopt(at per node)   node i follows it from at[i] on
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.fabric.wire import ROUTE_SLOTS


@dataclass
class _Order:
    told: int
    slot: int
    at_s: NDArray[np.float64]  # per node; infinite once carried out
    for_all: bool


class RouteSlots:
    """`current[node]` is the slot that a node followed when `settle` was last called. Slot 0 is the one before any order."""

    def __init__(self, n_nodes: int) -> None:
        self.current = np.zeros(n_nodes, np.int64)
        self._since_s = np.full(n_nodes, -np.inf)
        self._orders: list[_Order] = []
        self._told = 0
        self._newest = 0

    def settle(self, now_s: float) -> None:
        """Carry out what was due by `now_s`, in the order of time."""
        due = [order for order in self._orders if order.for_all and order.at_s[0] <= now_s]
        for order in sorted(due, key=lambda order: (order.at_s[0], order.told)):
            self._adopt_before(float(order.at_s[0]), order.told)
            self.current[:], self._since_s[:] = order.slot, order.at_s
            order.at_s[:] = np.inf
            for earlier in self._orders:
                if not earlier.for_all and earlier.told < order.told:
                    earlier.at_s[:] = np.inf
        self._adopt_before(now_s, self._told + 1)
        self._orders = [order for order in self._orders if np.isfinite(order.at_s).any()]

    def _adopt_before(self, at_s: float, told: int) -> None:
        """Carry out adoptions that come before an order of `at_s` that was told as number `told`."""
        for order in self._orders:
            if order.for_all:
                continue
            due = (order.at_s < at_s) | ((order.at_s == at_s) & (order.told < told))
            mask = due & (order.at_s >= self._since_s)
            self.current[mask], self._since_s[mask] = order.slot, order.at_s[mask]
            order.at_s[due] = np.inf

    def take(self, now_s: float) -> int:
        """A slot that nobody follows now or later, the one unused for longest. Raises RuntimeError when there is none."""
        self.settle(now_s)
        used = set(np.unique(self.current).tolist()) | {order.slot for order in self._orders}
        for ahead in range(1, ROUTE_SLOTS + 1):
            if (slot := (self._newest + ahead) % ROUTE_SLOTS) not in used:
                self._newest = slot
                return slot
        raise RuntimeError(f"{ROUTE_SLOTS} route tables are in use or announced: no room for another")

    def staying(self, at_s: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Nodes that never adopt, and have no adoption before them either."""
        stays = np.isposinf(at_s)
        for order in self._orders:
            if not order.for_all:
                stays &= np.isposinf(order.at_s)
        return stays

    def follow(self, at_s: float, slot: int) -> None:
        """All nodes, from `at_s` on; what was announced for the same instant will not be seen."""
        self._orders = [order for order in self._orders if not (order.for_all and order.at_s[0] == at_s)]
        self._tell(np.full(len(self.current), at_s), slot, for_all=True)

    def recall(self, after_s: float) -> None:
        """What all nodes were to follow from instants after `after_s` on is void."""
        self._orders = [order for order in self._orders if not (order.for_all and order.at_s[0] > after_s)]

    def adopt(self, at_s: NDArray[np.float64], slot: int) -> None:
        """Each node from a time of its own on, infinite: not at all."""
        self._tell(at_s.copy(), slot, for_all=False)

    def _tell(self, at_s: NDArray[np.float64], slot: int, *, for_all: bool) -> None:
        self._told += 1
        self._orders.append(_Order(self._told, slot, at_s, for_all))
