"""`append`: lists that are appended to and read. A read shows all that was appended before it, in one order for everybody."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from skyrack.workloads.base import Request, Task, Workload, option, until_ok
from skyrack.workloads.stores import Store


@dataclass(frozen=True)
class Append(Workload):
    """Appends to lists and reads of them: what was acknowledged stays, in one order for everybody."""

    name = "append"
    model = "append"

    keys: int = option(20, "How many lists are used at a time.", at_least=1)
    length: int = option(100, "After so many appends a list is left, and another begun.", at_least=1)
    read_ratio: float = option(0.5, "Share of reads.", at_least=0, at_most=1)

    def generator(self, seed: int) -> Iterator[Request]:
        draw = random.Random(f"{seed}/append")
        in_use = list(range(self.keys))
        appended = [0] * self.keys
        begun, value = self.keys, 0
        while True:
            slot = draw.randrange(self.keys)
            key = f"l{in_use[slot]}"
            if draw.random() < self.read_ratio:
                yield Request("read", key)
                continue
            value += 1
            yield Request("append", key, value)
            appended[slot] += 1
            if appended[slot] == self.length:
                in_use[slot], appended[slot] = begun, 0
                begun += 1

    async def invoke(self, store: Store, request: Request) -> Any:
        if request.f == "read":
            return await store.read_list(request.key)
        await store.append(request.key, request.value)
        return request.value

    def final(self, keys: Sequence[str], clients: int) -> Iterable[Task]:
        return [until_ok(Request("read", key)) for key in keys]

    async def prepare(self, store: Store) -> None:
        await store.read_list("prepare")
