"""A store in this process's memory, for rehearsals: every connection to one `Memory` sees the same."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Memory:
    """What is stored."""

    registers: dict[str, int] = field(default_factory=dict)
    lists: dict[str, list[int]] = field(default_factory=dict)
    queues: dict[str, deque[int]] = field(default_factory=dict)
    accounts: dict[str, int] = field(default_factory=dict)


class MemoryStore:
    """A connection. Each operation happens at once."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory

    async def read(self, key: str) -> int | None:
        return self.memory.registers.get(key)

    async def write(self, key: str, value: int) -> None:
        self.memory.registers[key] = value

    async def cas(self, key: str, old: int | None, new: int) -> bool:
        if self.memory.registers.get(key) != old:
            return False
        self.memory.registers[key] = new
        return True

    async def delete(self, key: str) -> None:
        self.memory.registers.pop(key, None)

    async def append(self, key: str, value: int) -> None:
        self.memory.lists.setdefault(key, []).append(value)

    async def read_list(self, key: str) -> list[int]:
        return list(self.memory.lists.get(key, ()))

    async def add(self, key: str, value: int) -> None:
        members = self.memory.lists.setdefault(key, [])
        if value not in members:
            members.append(value)

    async def read_set(self, key: str) -> list[int]:
        return list(self.memory.lists.get(key, ()))

    async def enqueue(self, queue: str, value: int) -> None:
        self.memory.queues.setdefault(queue, deque()).append(value)

    async def dequeue(self, queue: str) -> int | None:
        waiting = self.memory.queues.get(queue)
        return waiting.popleft() if waiting else None

    async def open_accounts(self, balances: Mapping[str, int]) -> None:
        self.memory.accounts.update(balances)

    async def balances(self, accounts: list[str]) -> dict[str, int]:
        return {account: self.memory.accounts[account] for account in accounts}

    async def transfer(self, source: str, target: str, amount: int) -> bool:
        if self.memory.accounts[source] < amount:
            return False
        self.memory.accounts[source] -= amount
        self.memory.accounts[target] += amount
        return True

    async def echo(self, text: str) -> str:
        return text

    async def close(self) -> None:
        return
