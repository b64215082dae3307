"""How a workload's client talks to a service: the operations of a store, and the adapters that have them.

An adapter is a class with the methods of `Store` that its service can do, made with `(endpoints, timeout_s)`:

    endpoints   "host:port" of the service's members, in the order in which to try them; the first that answers is used
    timeout_s   how long an operation may take; who waits longer is cancelled anyway

It connects when it is first used, and again when the connection broke: one operation is one attempt, never a retry, since a
retry may do twice what was asked for once. Nothing is imported before it is asked for by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from skyrack.workloads.stores.failed import Failed, Refused

__all__ = ["ADAPTERS", "PORTS", "Failed", "Refused", "Store"]

ADAPTERS: Final[Mapping[str, str]] = {
    "etcd": "skyrack.workloads.stores.etcd:EtcdStore",
    "redis": "skyrack.workloads.stores.redis:RedisStore",
    "grpc": "skyrack.workloads.stores.grpc:GrpcStore",
}
PORTS: Final[Mapping[str, int]] = {"etcd": 2379, "redis": 6379, "grpc": 50061}


class Store(Protocol):
    """One client's connection to a service. Values are integers; an absent key is None, an absent list or set is empty.

    Raises Failed when the operation definitely did not happen; whatever else it raises, and a timeout, means that nobody
    knows. When in doubt: not Failed. A client has one operation at a time.
    """

    async def read(self, key: str) -> int | None:
        """The value of a register."""

    async def write(self, key: str, value: int) -> None:
        """Set a register."""

    async def cas(self, key: str, old: int | None, new: int) -> bool:
        """Set a register if its value is `old`; False: it is not, and nothing was done."""

    async def delete(self, key: str) -> None:
        """Make a register absent; it may be so already."""

    async def append(self, key: str, value: int) -> None:
        """Add to the end of a list."""

    async def read_list(self, key: str) -> list[int]:
        """A list, in order."""

    async def add(self, key: str, value: int) -> None:
        """Add to a set."""

    async def read_set(self, key: str) -> list[int]:
        """The members of a set, in any order."""

    async def enqueue(self, queue: str, value: int) -> None:
        """Add to a queue."""

    async def dequeue(self, queue: str) -> int | None:
        """Take from a queue; None: it is empty."""

    async def open_accounts(self, balances: Mapping[str, int]) -> None:
        """Set the balances of accounts; it may have been done before, and then does nothing or the same again."""

    async def balances(self, accounts: list[str]) -> dict[str, int]:
        """The balances of accounts, all at one instant."""

    async def transfer(self, source: str, target: str, amount: int) -> bool:
        """Move an amount; False: the source has not enough, and nothing was done."""

    async def echo(self, text: str) -> str:
        """The text."""

    async def close(self) -> None:
        """Let go of the connection."""
