"""Clients of a workload: each has a store of its own."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from skyrack.workloads import Request, Store, Workload, find_adapter, find_workload
from skyrack.workloads.stores.scoped import Scoped


@dataclass(frozen=True, slots=True)
class StoreClients:
    """`workload` and `adapter` are names, or FILE.py:CLASS; `scope` keeps the keys of this load apart from another's."""

    kind: ClassVar[str] = "store"
    shared: ClassVar[bool] = False

    workload: str
    options: Mapping[str, Any]
    adapter: str
    endpoints: Sequence[str]
    timeout_s: float
    scope: str
    seed: int

    def connect(self, source: str, place: int) -> StoreClient:
        """All members are its endpoints, in an order drawn from (seed, node, place)."""
        draw = random.Random(f"{self.seed}/endpoints/{source}/{place}")
        endpoints = draw.sample(list(self.endpoints), len(self.endpoints))
        store = find_adapter(self.adapter)(endpoints, self.timeout_s)
        return StoreClient(find_workload(self.workload).of(self.options), Scoped(store, self.scope))

    def load(self) -> None:
        find_workload(self.workload).of(self.options)
        find_adapter(self.adapter)


class StoreClient:
    """A workload's client."""

    def __init__(self, workload: Workload, store: Store) -> None:
        self._workload = workload
        self._store = store

    async def open(self) -> None:
        await self._workload.open(self._store)

    async def prepare(self) -> None:
        await self._workload.prepare(self._store)

    async def invoke(self, request: Request) -> Any:
        return await self._workload.invoke(self._store, request)

    async def close(self) -> None:
        await self._store.close()
