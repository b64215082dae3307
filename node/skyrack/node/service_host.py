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
    ) -> None:
        def make() -> Supervisor:
            from skyrack.node.services.supervisor import Supervisor

            return Supervisor(config, clock, control, reaper, lines, methods, desk)

        self._control = control
        self._make = make
        self.supervisor: Supervisor | None = None

    async def run(self) -> None:
        """For ever."""
        while self._control.services is None or not self._control.services.services:
            await self._control.services_news.wait()
            self._control.services_news.clear()
        self.supervisor = self._make()
        await self.supervisor.run()

    async def end(self) -> None:
        """Stop all services; nothing of them runs afterwards."""
        if self.supervisor is not None:
            await self.supervisor.end()
