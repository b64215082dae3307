"""The node's services, of which nothing is imported before there is one: most nodes have none.

A zygote has imported it all, for its nodes to share; a container's node pays for itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skyrack.node.clock import Clock
from skyrack.node.config import NodeConfig
from skyrack.node.control_link import ControlLink
from skyrack.node.guest.desk import GuestDesk
from skyrack.node.logs import JsonLines
from skyrack.node.reaper import Reaper
from skyrack.node.services.methods import Methods

if TYPE_CHECKING:
    from skyrack.node.services.pace import Pace
    from skyrack.node.services.supervisor import Supervisor


class ServiceHost:
    """Waits for a first service, then runs all. `supervisor` is None before."""

    def __init__(
        self,
        config: NodeConfig,
        clock: Clock,
        control: ControlLink,
        reaper: Reaper,
        lines: JsonLines,
        methods: Methods,
        desk: GuestDesk,
        pace: Pace | None,
    ) -> None:
        """`pace`: what Python services keep to together; None: nothing."""

        def make() -> Supervisor:
            from skyrack.node.services.supervisor import Supervisor

            return Supervisor(config, clock, control, reaper, lines, methods, desk, pace)

        self._control = control
        self._make = make
        self._suspended = ""
        self.supervisor: Supervisor | None = None

    async def run(self) -> None:
        """For ever."""
        while self._control.services is None or not self._control.services.services:
            await self._control.services_news.wait()
            self._control.services_news.clear()
        self.supervisor = self._make()
        if self._suspended:
            self.supervisor.suspend(self._suspended)
        await self.supervisor.run()

    def suspend(self, reason: str) -> None:
        """Stop all services, and start none before `resume`."""
        self._suspended = reason
        if self.supervisor is not None:
            self.supervisor.suspend(reason)

    def resume(self) -> None:
        """Start those that were suspended."""
        self._suspended = ""
        if self.supervisor is not None:
            self.supervisor.resume()

    @property
    def python_ratio(self) -> float:
        """How many of the services run in the node's own process, of all; 0 without any."""
        return self.supervisor.python_ratio if self.supervisor is not None else 0.0

    async def end(self) -> None:
        """Stop all services; nothing of them runs afterwards."""
        if self.supervisor is not None:
            await self.supervisor.end()
