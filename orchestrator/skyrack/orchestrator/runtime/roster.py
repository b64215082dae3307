"""Everybody on the mesh: names, addresses, and who has a process. Nodes are indices."""

from __future__ import annotations

import ipaddress

from skyrack.orchestrator.environment.gravity import MOST_FLOWS
from skyrack.orchestrator.fabric.engine import DROPS
from skyrack.orchestrator.fabric.histogram import LATENESS_BOUNDS_S
from skyrack.orchestrator.fabric.wire import FabricConfig
from skyrack.orchestrator.hosts import hosts_file
from skyrack.orchestrator.runtime.mesh import link_capacity
from skyrack.orchestrator.runtime.nodes import NodeState
from skyrack.orchestrator.scenario import Scenario
from skyrack.orchestrator.spelling import closest
from skyrack.orchestrator.topology.epoch import Epoch
from skyrack.orchestrator.topology.geometry import Geometry


class Roster:
    """Names and addresses of a constellation. `first` is any of its epochs: all have the same destinations."""

    def __init__(self, scenario: Scenario, geometry: Geometry, first: Epoch) -> None:
        self._scenario = scenario
        self._geometry = geometry
        self._base_address = int(ipaddress.ip_network(scenario.network).network_address) + 1
        self.names = list(geometry.names)
        self.inhabited = [int(i) for i in geometry.inhabited]
        self.rows = [-1] * len(self.names)  # node -> row of the route tables
        for row, node in enumerate(first.destinations.tolist()):
            self.rows[node] = row
        self.link_capacity = link_capacity(geometry.n_sat, geometry.stations.n_radio, len(scenario.fibre))

    def address(self, index: int) -> str:
        """A node's IPv4 address on the mesh."""
        return str(ipaddress.ip_address(self._base_address + index))

    def kind(self, index: int) -> str:
        """satellite, ground, pop or user."""
        return self._geometry.kind[index]

    def require(self, name: object) -> int:
        """The node's index. Raises KeyError with a text for the user."""
        try:
            return self._geometry.index_of(str(name))
        except KeyError:
            near = closest(str(name), self.names)
            raise KeyError(f"no node is called {name!r}{f': {near}' if near else ''}") from None

    def node_states(self) -> list[NodeState]:
        """Every inhabited node, as yet without a process."""
        return [NodeState(i, self.names[i], self.kind(i), self.address(i)) for i in self.inhabited]

    def hosts(self) -> str:
        """What /etc/hosts of every node says."""
        return hosts_file((self.address(i), name) for i, name in enumerate(self.names))

    def fabric_config(self, t0_monotonic_ns: int) -> FabricConfig:
        """What a fabric of this constellation has to know; the run began at `t0_monotonic_ns`."""
        classes = self._scenario.links.classes
        return FabricConfig(
            t0_monotonic_ns=t0_monotonic_ns,
            base_address=self._base_address,
            names=self.names,
            rows=self.rows,
            max_links=2 * self.link_capacity,
            n_rows=max(self.rows, default=-1) + 1,
            n_drops=len(DROPS),
            n_buckets=len(LATENESS_BOUNDS_S) + 1,
            seed=self._scenario.seed,
            spin_s=self._scenario.fabric.spin_us / 1e6,
            n_flows=MOST_FLOWS if self._scenario.background.rate_bps else 0,
            scheduling=classes.scheduling if classes else "",
            compute_share=(classes.compute_share or 0.0) if classes else 0.0,
            compute_dscp=list(classes.dscp) if classes else [],
        )
