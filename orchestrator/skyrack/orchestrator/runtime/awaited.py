"""A run none of whose processes is its own: fabric and nodes are containers that find it on shared volumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from skyrack.orchestrator.runtime import node_config
from skyrack.orchestrator.runtime.awaited_fabric import AwaitedFabric
from skyrack.orchestrator.runtime.awaited_nodes import AwaitedNodes
from skyrack.orchestrator.runtime.hands.contained import contained_hands
from skyrack.orchestrator.runtime.hands.contained_parts import ContainedParts
from skyrack.orchestrator.runtime.nodes import NodeState
from skyrack.orchestrator.runtime.processes import Launch, Processes
from skyrack.orchestrator.runtime.services.prepared import ContainedRoom


def awaited_processes(launch: Launch, fabric_socket: Path, sidecars: Path | None = None) -> Processes:
    """A fabric that connects at `fabric_socket`, and nodes that read their files in the mesh directory.

    `sidecars`: the socket of who limits containers beside nodes.
    """
    mesh_dir = launch.places.mesh_dir

    def configure(node: NodeState) -> dict[str, Any]:
        return node_config.contained(
            node_config.node_config(node, launch.scenario, launch.run, mesh_dir, launch.bus)
        )

    def failed(error: str) -> None:
        launch.events.add("fabric_failed", error=error)

    fabrics = AwaitedFabric(fabric_socket, failed)
    nodes = AwaitedNodes(launch.book, configure, launch.events, mesh_dir)
    room = ContainedRoom()
    parts = ContainedParts(fabrics, launch.clock)
    return Processes(
        fabrics,
        nodes,
        room,
        lambda services: contained_hands(launch, nodes, services, parts, sidecars),
        awaited=True,
    )
