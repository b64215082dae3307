"""`kv`: registers that are read, written and compared-and-set. Each key is to behave as if there were one copy of it."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from skyrack.workloads.base import Request, Task, Workload, option, until_ok
from skyrack.workloads.stores import Refused, Store

# A compare-and-set expects one of the last so many values that were asked to be written: it is to succeed often, and to
# fail sometimes.
_RECENT = 3


@dataclass(frozen=True)
class Kv(Workload):
    """Reads, writes and compare-and-sets of registers: linearizable, nothing acknowledged lost."""

    name = "kv"
    model = "kv"

    keys: int = option(20, "How many keys.", at_least=1)
    read_ratio: float = option(0.5, "Share of reads.", at_least=0, at_most=1)
    cas_ratio: float = option(
        0.2, "Share of compare-and-sets; what is left are writes.", at_least=0, at_most=1
    )
    delete_ratio: float = option(0.0, "Share of deletes.", at_least=0, at_most=1)

    def generator(self, seed: int) -> Iterator[Request]:
        draw = random.Random(f"{seed}/kv")
        recent: dict[str, list[int]] = {}
        value = 0
        while True:
            key = f"k{draw.randrange(self.keys)}"
            share = draw.random()
            if share < self.read_ratio:
                yield Request("read", key)
                continue
            if share < self.read_ratio + self.delete_ratio:
                yield Request("delete", key)
                continue
            value += 1
            known = recent.setdefault(key, [])
            if known and share < self.read_ratio + self.delete_ratio + self.cas_ratio:
                yield Request("cas", key, [draw.choice(known), value])
            else:
                yield Request("write", key, value)
            recent[key] = [*known, value][-_RECENT:]

    async def invoke(self, store: Store, request: Request) -> Any:
        key, value = request.key, request.value
        match request.f:
            case "read":
                return await store.read(key)
            case "write":
                await store.write(key, value)
            case "delete":
                await store.delete(key)
            case "cas":
                if not await store.cas(key, *value):
                    raise Refused
        return value

    def final(self, keys: Sequence[str], clients: int) -> Iterable[Task]:
        return [until_ok(Request("read", key)) for key in keys]

    async def prepare(self, store: Store) -> None:
        await store.read("prepare")
