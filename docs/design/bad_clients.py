"""Clients of etcd that promise too much: controls, which have to turn a campaign `bad` (store_campaign.py controls).

skyrack load kv --adapter docs/design/bad_clients.py:EagerEtcd --service etcd --port 2379
"""

from __future__ import annotations

import asyncio
import contextlib

from skyrack.workloads.stores.etcd import EtcdStore


class EagerEtcd(EtcdStore):
    """Acknowledges a write as soon as it has been asked for, before any quorum has it, and never hears of its failure."""

    _under_way: set[asyncio.Task[None]]

    async def write(self, key: str, value: int) -> None:
        """Too early."""
        if not hasattr(self, "_under_way"):
            self._under_way = set()
        task = asyncio.create_task(self._later(key, value))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _later(self, key: str, value: int) -> None:
        with contextlib.suppress(Exception):
            await super().write(key, value)

    async def close(self) -> None:
        """What is under way is given up."""
        for task in list(getattr(self, "_under_way", ())):
            task.cancel()
        await super().close()
