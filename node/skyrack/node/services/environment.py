"""The variables of a service."""

from __future__ import annotations

from collections.abc import Mapping

from skyrack.node.config import NodeConfig
from skyrack.v1 import mesh_pb2, service_pb2
from skyrack.v1.guest_environment import guest_environment

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
    said = guest_environment(
        run=config.run,
        node=config.name,
        kind=config.kind,
        address=config.address,
        index=config.index,
        clock=clock,
    )
    said |= {"HOME": data_dir, "SKYRACK_SERVICE": spec.name, "SKYRACK_DATA": data_dir}
    return kept | said | dict(spec.environment)
