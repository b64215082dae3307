"""Tells the orchestrator what the flight software has decided, until it is heard, and anew after every join."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import grpc

from skyrack.node.clock import Clock
from skyrack.node.config import NodeConfig
from skyrack.node.control_link import LAST_BACKOFF_S, ControlLink
from skyrack.node.logs import fields, log
from skyrack.v1 import control_pb2

FIRST_RETRY_S = 0.1
CALL_LIMIT_S = 5.0


class FlightReports:
    """Speaks while `run` runs."""

    def __init__(
        self,
        config: NodeConfig,
        clock: Clock,
        control: ControlLink,
        state: Callable[[], control_pb2.FlightState],
    ) -> None:
        self._config = config
        self._clock = clock
        self._control = control
        self._state = state
        self._due = asyncio.Event()
        self._effects: list[str] = []

    def due(self) -> None:
        """It has decided anew, or somebody has to be told anew."""
        self._due.set()

    async def run(self) -> None:
        """For ever."""
        wait_s = FIRST_RETRY_S
        while True:
            await self._due.wait()
            self._due.clear()
            if await self._tell():
                wait_s = FIRST_RETRY_S
            else:
                self._due.set()
                await self._clock.sleep(wait_s)
                wait_s = min(2 * wait_s, LAST_BACKOFF_S)

    async def _tell(self) -> bool:
        """Whether it was heard."""
        if self._control.stub is None:
            return False
        request = control_pb2.ReportFlightRequest(
            name=self._config.name, run=self._config.run, flight=self._state()
        )
        try:
            response = await self._control.stub.ReportFlight(request, timeout=CALL_LIMIT_S)
        except grpc.aio.AioRpcError:
            return False
        effects = list(response.effects)
        if effects != self._effects:
            self._effects = effects
            log.info("flight software heard", extra=fields(effects="; ".join(effects)))
        return True
