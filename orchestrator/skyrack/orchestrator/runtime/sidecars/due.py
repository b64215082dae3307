"""Which sidecars are to be started. Pure.

The kernel ends a sidecar with its node, in whose PID namespace it is. The engine then tries once to start it, which fails
while the node does not run, and leaves it at that. What its own restart policy is for, a sidecar that ends while its node
runs, is the engine's to do, and so is one that somebody stopped.
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


def due(sidecar: Container, node: Container | None) -> bool:
    """Whether the node has been started since the sidecar ended."""
    if sidecar.state != "exited" or node is None or node.state != "running":
        return False
    return sidecar.finished < node.started
