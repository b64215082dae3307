"""Tells the orchestrator how the services are going: all of them, whenever one is another, until it is heard."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from skyrack.node.clock import Clock
from skyrack.node.config import NodeConfig
from skyrack.node.control_link import ControlLink
from skyrack.node.teller import CALL_LIMIT_S, Teller
from skyrack.v1 import control_pb2, service_pb2


class Reports(Teller):
    """Of a node's services."""

    gather_s = 0.02

    def __init__(
        self,
        config: NodeConfig,
        clock: Clock,
        control: ControlLink,
        statuses: Callable[[], Iterable[service_pb2.ServiceStatus]],
    ) -> None:
        super().__init__(config, clock, control)
        self._statuses = statuses

    async def tell(self) -> bool:
        """All of them."""
        assert self.control.stub is not None
        request = control_pb2.ReportServicesRequest(
            name=self.config.name, run=self.config.run, services=list(self._statuses())
        )
        await self.control.stub.ReportServices(request, timeout=CALL_LIMIT_S)
        return True
