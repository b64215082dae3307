"""`set`: members are added, and read at the end. Every member whose addition was acknowledged is to be there."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from skyrack.workloads.base import Request, Task, Workload, option, until_ok
from skyrack.workloads.stores import Store


@dataclass(frozen=True)
class Set(Workload):
    """Additions to sets, some reads, and reads of all at the end: nothing acknowledged is lost."""

    name = "set"
    model = "set"

    keys: int = option(10, "How many sets.", at_least=1)
    read_ratio: float = option(0.1, "Share of reads.", at_least=0, at_most=1)

    def generator(self, seed: int) -> Iterator[Request]:
        draw = random.Random(f"{seed}/set")
        value = 0
        while True:
            key = f"s{draw.randrange(self.keys)}"
            if draw.random() < self.read_ratio:
                yield Request("read", key)
            else:
                value += 1
                yield Request("add", key, value)

    async def invoke(self, store: Store, request: Request) -> Any:
        if request.f == "read":
            return await store.read_set(request.key)
        await store.add(request.key, request.value)
        return request.value

    def final(self, keys: Sequence[str], clients: int) -> Iterable[Task]:
        return [until_ok(Request("read", key)) for key in keys]

    async def prepare(self, store: Store) -> None:
        await store.read_set("prepare")
