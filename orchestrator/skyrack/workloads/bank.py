"""`bank`: transfers between accounts. Their sum never changes, whoever reads them and whenever."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from skyrack.workloads.base import Request, Task, Workload, option, until_ok
from skyrack.workloads.stores import Refused, Store

_KEY = "bank"


@dataclass(frozen=True)
class Bank(Workload):
    """Transfers between accounts and reads of all of them: the total stays, and no balance falls below zero."""

    name = "bank"
    model = "bank"

    accounts: int = option(8, "How many accounts.", at_least=2)
    balance: int = option(100, "What is in each at the start.", at_least=1)
    most: int = option(5, "Most that is moved at once.", at_least=1)
    read_ratio: float = option(0.5, "Share of reads.", at_least=0, at_most=1)

    @property
    def _names(self) -> list[str]:
        return [f"a{number}" for number in range(self.accounts)]

    def facts(self) -> dict[str, Any]:
        total = self.accounts * self.balance
        return {**dataclasses.asdict(self), "accounts": self._names, "total": total}

    def generator(self, seed: int) -> Iterator[Request]:
        draw = random.Random(f"{seed}/bank")
        names = self._names
        while True:
            if draw.random() < self.read_ratio:
                yield Request("read", _KEY)
            else:
                source, target = draw.sample(names, 2)
                amount = draw.randint(1, self.most)
                yield Request("transfer", _KEY, {"from": source, "to": target, "amount": amount})

    async def open(self, store: Store) -> None:
        await store.open_accounts(dict.fromkeys(self._names, self.balance))

    async def invoke(self, store: Store, request: Request) -> Any:
        if request.f == "read":
            return await store.balances(self._names)
        move = request.value
        if not await store.transfer(move["from"], move["to"], move["amount"]):
            raise Refused
        return move

    def final(self, keys: Sequence[str], clients: int) -> Iterable[Task]:
        return [until_ok(Request("read", _KEY))]

    async def prepare(self, store: Store) -> None:
        await store.balances(self._names)
