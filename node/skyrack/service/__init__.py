"""Services of a satellite, in Python: what a class that runs inside a node is given.

    from skyrack.service import Node

    class Beacon:
        async def run(self, node: Node) -> None:
            node.ready()
            while True:
                node.log.info("%s is over %.1f, %.1f", node.name, node.position().lat_deg, node.position().lon_deg)
                await node.clock.sleep(10)

Exceptions: `NotAvailableError`, before the node has heard from the orchestrator, and beyond what it has been told;
`UnknownNodeError`, for a name that no node with a process has.
"""

from skyrack.service.clock import Clock
from skyrack.service.errors import NotAvailableError, UnknownNodeError
from skyrack.service.node import Node, Position, Service

__all__ = ["Clock", "Node", "NotAvailableError", "Position", "Service", "UnknownNodeError"]
