"""grpc.health.v1 of a run: whether the orchestrator answers, and whether every node serves."""

from __future__ import annotations

import asyncio

from grpc_health.v1 import health, health_pb2

from skyrack.orchestrator.runtime.nodes import NodeBook

OVERALL = ""  # the orchestrator answers
RUN = "run"  # every node serves

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class RunHealth:
    """The health service; OVERALL serves as soon as somebody can ask."""

    def __init__(self, book: NodeBook) -> None:
        self.servicer = health.aio.HealthServicer()
        self._book = book
        self._changed = asyncio.Event()
        book.listen(lambda _: self._changed.set())

    async def run(self) -> None:
        """Keep RUN true for ever."""
        while True:
            self._changed.clear()
            await self.servicer.set(RUN, _SERVING if self._book.all_serving() else _NOT_SERVING)
            await self._changed.wait()
