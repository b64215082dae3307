"""Tells the orchestrator how the services are going: all of them, whenever one is another, until it is heard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import grpc

from skyrack.node.clock import Clock
from skyrack.node.config import NodeConfig
from skyrack.node.control_link import LAST_BACKOFF_S, ControlLink
from skyrack.v1 import control_pb2, service_pb2

GATHER_S = 0.02
FIRST_RETRY_S = 0.1
CALL_LIMIT_S = 5.0


class Reports:
    """Speaks while `run` runs."""

    def __init__(
        self,
        config: NodeConfig,
        clock: Clock,
        control: ControlLink,
        statuses: Callable[[], Iterable[service_pb2.ServiceStatus]],
    ) -> None:
        self._config = config
        self._clock = clock
        self._control = control
        self._statuses = statuses
        self._due = asyncio.Event()

    def due(self) -> None:
        """Something has changed, or somebody has to be told anew."""
        self._due.set()

    async def run(self) -> None:
        """For ever."""
        wait_s = FIRST_RETRY_S
        while True:
            await self._due.wait()
            # What changes together is told together.
            await self._clock.sleep(GATHER_S)
            self._due.clear()
            if await self._tell():
                wait_s = FIRST_RETRY_S
            else:
                self._due.set()
                await self._clock.sleep(wait_s)
                wait_s = min(2 * wait_s, LAST_BACKOFF_S)

    async def _tell(self) -> bool:
        """Whether it was heard."""
        assert self._control.stub is not None
        request = control_pb2.ReportServicesRequest(
            name=self._config.name, run=self._config.run, services=list(self._statuses())
        )
        try:
            await self._control.stub.ReportServices(request, timeout=CALL_LIMIT_S)
        except grpc.aio.AioRpcError:
            return False
        return True
