"""Tells the orchestrator what the flight software has decided, until it is heard, and anew after every join."""

from __future__ import annotations

from collections.abc import Callable

from skyrack.node.clock import Clock
from skyrack.node.config import NodeConfig
from skyrack.node.control_link import ControlLink
from skyrack.node.logs import fields, log
from skyrack.node.teller import CALL_LIMIT_S, Teller
from skyrack.v1 import control_pb2


class FlightReports(Teller):
    """Of a node's flight software."""

    def __init__(
        self,
        config: NodeConfig,
        clock: Clock,
        control: ControlLink,
        state: Callable[[], control_pb2.FlightState],
    ) -> None:
        super().__init__(config, clock, control)
        self._state = state
        self._effects: list[str] = []

    async def tell(self) -> bool:
        """What it has decided last."""
        if self.control.stub is None:
            return False
        request = control_pb2.ReportFlightRequest(
            name=self.config.name, run=self.config.run, flight=self._state()
        )
        response = await self.control.stub.ReportFlight(request, timeout=CALL_LIMIT_S)
        effects = list(response.effects)
        if effects != self._effects:
            self._effects = effects
            log.info("flight software heard", extra=fields(effects="; ".join(effects)))
        return True
