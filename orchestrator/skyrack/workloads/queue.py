"""`queue`: what is put in is to come out once. Everything is taken out at the end, so that what was lost is missing."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from skyrack.workloads.base import Request, Task, Workload, option
from skyrack.workloads.stores import Store


@dataclass(frozen=True)
class Queue(Workload):
    """Enqueues and dequeues, and a drain at the end: each element comes out once."""

    name = "queue"
    model = "queue"

    keys: int = option(5, "How many queues.", at_least=1)
    enqueue_ratio: float = option(0.5, "Share of enqueues.", at_least=0, at_most=1)

    def generator(self, seed: int) -> Iterator[Request]:
        draw = random.Random(f"{seed}/queue")
        value = 0
        while True:
            key = f"q{draw.randrange(self.keys)}"
            if draw.random() < self.enqueue_ratio:
                value += 1
                yield Request("enqueue", key, value)
            else:
                yield Request("dequeue", key)

    async def invoke(self, store: Store, request: Request) -> Any:
        if request.f == "dequeue":
            return await store.dequeue(request.key)
        await store.enqueue(request.key, request.value)
        return request.value

    def final(self, keys: Sequence[str], clients: int) -> Iterable[Task]:
        """As many drains of each queue as there are clients for it."""
        return [_drain(key) for _ in range(-(-clients // max(1, len(keys)))) for key in keys]

    async def prepare(self, store: Store) -> None:
        await store.dequeue("prepare")


def _drain(key: str) -> Task:
    while True:
        result = yield Request("dequeue", key)
        if result.outcome == "ok" and result.value is None:
            return
