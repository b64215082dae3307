"""A store in which every load has names of its own, so that what an earlier one left does not show."""

from __future__ import annotations

from collections.abc import Mapping

from skyrack.workloads.stores import Store


class Scoped:
    """`store` with `SCOPE/` before every key, queue and account."""

    def __init__(self, store: Store, scope: str) -> None:
        self._store = store
        self._scope = f"{scope}/"

    async def read(self, key: str) -> int | None:
        return await self._store.read(self._scope + key)

    async def write(self, key: str, value: int) -> None:
        await self._store.write(self._scope + key, value)

    async def cas(self, key: str, old: int | None, new: int) -> bool:
        return await self._store.cas(self._scope + key, old, new)

    async def delete(self, key: str) -> None:
        await self._store.delete(self._scope + key)

    async def append(self, key: str, value: int) -> None:
        await self._store.append(self._scope + key, value)

    async def read_list(self, key: str) -> list[int]:
        return await self._store.read_list(self._scope + key)

    async def add(self, key: str, value: int) -> None:
        await self._store.add(self._scope + key, value)

    async def read_set(self, key: str) -> list[int]:
        return await self._store.read_set(self._scope + key)

    async def enqueue(self, queue: str, value: int) -> None:
        await self._store.enqueue(self._scope + queue, value)

    async def dequeue(self, queue: str) -> int | None:
        return await self._store.dequeue(self._scope + queue)

    async def open_accounts(self, balances: Mapping[str, int]) -> None:
        await self._store.open_accounts({self._scope + name: amount for name, amount in balances.items()})

    async def balances(self, accounts: list[str]) -> dict[str, int]:
        found = await self._store.balances([self._scope + name for name in accounts])
        return {name.removeprefix(self._scope): amount for name, amount in found.items()}

    async def transfer(self, source: str, target: str, amount: int) -> bool:
        return await self._store.transfer(self._scope + source, self._scope + target, amount)

    async def echo(self, text: str) -> str:
        return await self._store.echo(text)

    async def close(self) -> None:
        await self._store.close()
