"""Which sidecars are to be started. Pure.

The kernel ends a sidecar with its node, in whose PID namespace it is. The engine then tries once to start it, which fails
while the node does not run, and leaves it at that. What its own restart policy is for, a sidecar that ends while its node
runs, is the engine's to do, and so is one that somebody stopped; but who was sent a signal through the engine is not started
by it any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Container:
    """What the engine knows of one. `node`: the name of the node that it lives beside, empty for others."""

    identity: str
    name: str
    node: str
    beside: str  # the identity of the container whose namespaces it uses, empty for others
    state: str  # created, running, paused, restarting, removing, exited or dead
    started: datetime
    finished: datetime
    service: str = ""  # its name in the project
    restart: str = ""  # the engine's policy
    status: int = 0  # of its last end

    @property
    def runs(self) -> bool:
        """Whether it is to be ended before something can be done that needs it ended."""
        return self.state in ("running", "paused", "restarting")

    @property
    def again(self) -> bool:
        """Whether its policy has it started after such an end."""
        return self.restart == "always" or (self.restart == "on-failure" and self.status != 0)


def due(sidecar: Container, node: Container | None, *, signalled: bool = False) -> bool:
    """Whether the node has been started since the sidecar ended, or it has ended of a signal that the engine was asked for."""
    if sidecar.state != "exited" or node is None or node.state != "running":
        return False
    return sidecar.finished < node.started or (signalled and sidecar.again)
