"""Hands on containers beside nodes: their keeper, who alone speaks to the engine, is asked."""

from __future__ import annotations

from pathlib import Path
from socket import SOCK_STREAM
from typing import Any

from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.services.entry import Entry
from skyrack.orchestrator.runtime.services.services import Services
from skyrack.orchestrator.runtime.sidecars.following import ENDED, Following
from skyrack.orchestrator.runtime.sidecars.listening import listens
from skyrack.orchestrator.runtime.sidecars.orders import ANSWER_S, OrderError, order
from skyrack.orchestrator.scenario.placement import sidecar_name


class Beside:
    """`socket`: the keeper's; None where there is none."""

    def __init__(self, socket: Path | None, services: Services, events: EventLog) -> None:
        self._socket = socket
        services.kept_beside(self._heard)
        self._following = Following(services, events, self.order)

    async def order(self, entry: Entry, do: str, **values: Any) -> list[str]:
        """What took effect, in sentences. Raises OrderError."""
        if self._socket is None:
            raise OrderError("nobody here speaks to the engine")
        name = sidecar_name(entry.member.node, entry.service.name)
        within_s = ANSWER_S + (entry.service.stop_timeout_s if do == ENDED else 0.0)
        return await order(self._socket, name, do, within_s=within_s, **values)

    async def close(self) -> None:
        """The run ends."""
        await self._following.close()

    def _heard(self) -> bool:
        return self._socket is not None and listens(self._socket, SOCK_STREAM)
