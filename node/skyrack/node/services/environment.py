"""The variables of a service."""

from __future__ import annotations

from collections.abc import Mapping

from skyrack.node.config import NodeConfig
from skyrack.v1 import mesh_pb2, service_pb2

API = "http://skyrack.internal"
GRPC = "skyrack.internal:50051"
# What a service gets of the node's own variables: nothing of the host that is not needed to run a program.
KEPT = ("PATH", "LANG", "LC_ALL", "TZ")


def environment(
    spec: service_pb2.ServiceSpec,
    config: NodeConfig,
    clock: mesh_pb2.RunClock,
    data_dir: str,
    own: Mapping[str, str],
) -> dict[str, str]:
    """All variables of a service: the node's few, those that say where it is, and those of the scenario, which win."""
    kept = {name: own[name] for name in KEPT if name in own}
    said = {
        "HOME": data_dir,
        "SKYRACK_RUN": config.run,
        "SKYRACK_NODE": config.name,
        "SKYRACK_KIND": config.kind,
        "SKYRACK_ADDRESS": config.address,
        "SKYRACK_INDEX": str(config.index),
        "SKYRACK_API": API,
        "SKYRACK_GRPC": GRPC,
        "SKYRACK_START": clock.start.ToJsonString(),
        "SKYRACK_SPEED": f"{clock.speed:g}",
        "SKYRACK_T0_MONOTONIC_NS": str(clock.t0_monotonic_ns),
        "SKYRACK_SERVICE": spec.name,
        "SKYRACK_DATA": data_dir,
    }
    return kept | said | dict(spec.environment)
