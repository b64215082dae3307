"""Tells the orchestrator what is new until it is heard, trying again ever later. Only the newest is told."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod

import grpc

from skyrack.node.clock import Clock
from skyrack.node.config import NodeConfig
from skyrack.node.control_link import LAST_BACKOFF_S, ControlLink

FIRST_RETRY_S = 0.1
CALL_LIMIT_S = 5.0


class Teller(ABC):
    """Speaks while `run` runs. `gather_s`: what changes within it is told together."""

    gather_s = 0.0

    def __init__(self, config: NodeConfig, clock: Clock, control: ControlLink) -> None:
        self.config = config
        self.control = control
        self._clock = clock
        self._due = asyncio.Event()

    @abstractmethod
    async def tell(self) -> bool:
        """Whether it was heard. Raises AioRpcError where it was not."""

    def due(self) -> None:
        """Something has changed, or somebody has to be told anew."""
        self._due.set()

    async def run(self) -> None:
        """For ever."""
        wait_s = FIRST_RETRY_S
        while True:
            await self._due.wait()
            if self.gather_s:
                await self._clock.sleep(self.gather_s)
            self._due.clear()
            if await self._heard():
                wait_s = FIRST_RETRY_S
            else:
                self._due.set()
                await self._clock.sleep(wait_s)
                wait_s = min(2 * wait_s, LAST_BACKOFF_S)

    async def _heard(self) -> bool:
        try:
            return await self.tell()
        except grpc.aio.AioRpcError:
            return False
