"""A run on this host, all of whose processes are its own."""

from __future__ import annotations

from typing import Any

from skyrack.orchestrator.runtime import node_config
from skyrack.orchestrator.runtime.hands.local import local_hands
from skyrack.orchestrator.runtime.hands.local_parts import LocalParts
from skyrack.orchestrator.runtime.local_fabric import LocalFabric
from skyrack.orchestrator.runtime.nodes import NodeState
from skyrack.orchestrator.runtime.processes import Launch, Processes
from skyrack.orchestrator.runtime.services.prepared import LocalRoom
from skyrack.orchestrator.runtime.spawned_nodes import SpawnedNodes


def local_processes(launch: Launch) -> Processes:
    """Fabric and nodes as children of this process."""
    places, scenario = launch.places, launch.scenario
    fabrics = LocalFabric(places.mesh_dir, places.logs / "fabric.log")

    def configure(node: NodeState) -> dict[str, Any]:
        config = node_config.node_config(node, scenario, launch.run, places.mesh_dir, launch.bus)
        return node_config.spawned(config, places.mesh_dir, places.logs, realtime_fabric=fabrics.realtime)

    nodes = SpawnedNodes(
        launch.book,
        configure,
        launch.events,
        launch.clock,
        log=places.logs / "zygote.log",
        may_start=fabrics.up,
        restart=scenario.nodes.restart == "on-crash",
    )
    room = LocalRoom(launch.run, places, launch.events)
    parts = LocalParts(fabrics, launch.broker, launch.clock)
    return Processes(
        fabrics,
        nodes,
        room,
        lambda services: local_hands(launch, nodes, room, services, parts),
        awaited=False,
    )
