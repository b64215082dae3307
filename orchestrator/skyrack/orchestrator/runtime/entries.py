"""Where users come into the mesh from outside: what a run asks of whoever serves its entries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from skyrack.orchestrator.clock import Clock
from skyrack.orchestrator.runtime.events import EventLog
from skyrack.orchestrator.runtime.places import Places

LOOPBACK = "127.0.0.1"


class Entries(Protocol):
    """The HTTP proxies of a run, one for each of its entry nodes."""

    async def run(self) -> None:
        """See to them until cancelled."""

    async def stop(self) -> None:
        """End them where they are the run's own."""

    def status(self) -> list[dict[str, Any]]:
        """What the user is told: `node`, and `proxy` as HOST:PORT."""


MakeEntries = Callable[[Sequence[str], Places, EventLog, Clock], Entries]


class PublishedEntries:
    """Served by a container of its own, whose ports are published from `first_port` on, in the nodes' order."""

    def __init__(self, first_port: int | None, nodes: Sequence[str], *_: object) -> None:
        self._status = [] if first_port is None else _told(nodes, range(first_port, first_port + len(nodes)))

    async def run(self) -> None:
        """Others see to it."""

    async def stop(self) -> None:
        """Others end it."""

    def status(self) -> list[dict[str, Any]]:
        """As users reach them."""
        return self._status


def _told(nodes: Sequence[str], ports: Sequence[int]) -> list[dict[str, Any]]:
    return [{"node": node, "proxy": f"{LOOPBACK}:{port}"} for node, port in zip(nodes, ports, strict=True)]
