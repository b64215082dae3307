"""What nodes are told once per epoch: where they are, who is next to them, what surrounds them and what is to come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.environment.forecast import Forecaster
from skyrack.orchestrator.environment.passes import Passes
from skyrack.orchestrator.runtime.nodes import NodeState
from skyrack.orchestrator.runtime.storms import Storms
from skyrack.orchestrator.runtime.surroundings import Surroundings
from skyrack.orchestrator.timeline import Timeline
from skyrack.orchestrator.topology.epoch import GROUND, Epoch
from skyrack.orchestrator.topology.failures import Failures
from skyrack.orchestrator.topology.geometry import Geometry
from skyrack.v1 import control_pb2, mesh_pb2
from skyrack.v1.kinds import NODE_KINDS

KNOT_S = 10.0
KNOTS_BEYOND_S = 30.0
FORECAST_S = 600.0


class Outlook:
    """Builds each node's update from the geometry. `compute` and `extend` run in the geometry's worker thread."""

    def __init__(
        self,
        geometry: Geometry,
        passes: Passes,
        timeline: Timeline,
        address_of: Callable[[int], str],
        t0_monotonic_ns: int,
        storms: Storms,
    ) -> None:
        self._timeline = timeline
        self._geometry = geometry
        self._address_of = address_of
        self._inhabited = frozenset(int(i) for i in geometry.inhabited)
        self._epoch: Epoch | None = None
        self._ephemeris: dict[int, mesh_pb2.Ephemeris] = {}
        self._neighbours: dict[int, list[mesh_pb2.Neighbour]] = {}
        self._weather: dict[int, list[mesh_pb2.LinkWeather]] = {}
        scenario = geometry.scenario
        self._forecaster = Forecaster(scenario.environment.forecast_error, scenario.seed)
        satellites = [i for i in sorted(self._inhabited) if i < geometry.n_sat]
        self._surroundings = Surroundings(geometry, passes, satellites, self._forecaster, storms)
        self._t_s = 0.0
        self._ahead: list[Epoch] = []  # from the epoch in force on
        self._t0_monotonic_ns = t0_monotonic_ns

    def compute(self, t_s: float) -> float:
        """Bring everything but the far forecast up to orbit time `t_s`; returns when the next epoch begins (orbit time)."""
        geometry = self._geometry
        self._ahead = [epoch for epoch in self._ahead if epoch.t1_s > t_s]
        epoch = self._ahead[0] if self._ahead and self._ahead[0].t0_s <= t_s else geometry.epoch(t_s)
        if not self._ahead or self._ahead[0] is not epoch:
            self._ahead = [epoch]
        delay_s = geometry.delay_s(epoch.a, epoch.b, epoch.t0_s)
        neighbours: dict[int, list[mesh_pb2.Neighbour]] = {node: [] for node in self._inhabited}
        for a, b, delay in zip(epoch.a.tolist(), epoch.b.tolist(), delay_s.tolist(), strict=True):
            for node, peer in ((a, b), (b, a)):
                if node in self._inhabited:
                    neighbours[node].append(
                        mesh_pb2.Neighbour(
                            name=geometry.names[peer],
                            kind=self._kind(peer),
                            address=self._address_of(peer),
                            delay_s=delay,
                        )
                    )
        first_s = np.floor(t_s / KNOT_S) * KNOT_S
        beyond_s = KNOTS_BEYOND_S * max(1.0, self._timeline.pieces[-1].speed)
        knots = np.arange(first_s, epoch.t1_s + beyond_s + KNOT_S, KNOT_S)
        self._ephemeris = {node: self._ephemeris_of(node, knots) for node in self._inhabited}
        self._neighbours = neighbours
        self._weather = self._weather_of(epoch)
        self._surroundings.compute(epoch, t_s)
        self._epoch, self._t_s = epoch, t_s
        return epoch.t1_s

    @property
    def epoch(self) -> Epoch:
        """The epoch of the last `compute`."""
        assert self._epoch is not None
        return self._epoch

    @property
    def known_until_s(self) -> float:
        """Orbit time up to which contacts are known."""
        return self._ahead[-1].t1_s if self._ahead else 0.0

    def extend(self) -> bool:
        """Look at a few satellites' surroundings, or one epoch further ahead; False when that is enough for this epoch."""
        if not self._ahead:
            return False
        if self._surroundings.extend():
            return True
        if self._ahead[-1].t1_s < self._ahead[0].t0_s + FORECAST_S:
            self._ahead.append(self._geometry.epoch(self._ahead[-1].t1_s))
            return True
        return self._surroundings.extend_far()

    def update_for(self, node: NodeState) -> control_pb2.NodeUpdate | None:
        """The node's update; None before the first `compute`."""
        if self._epoch is None:
            return None
        piece = self._timeline.pieces[-1]
        clock = mesh_pb2.RunClock(
            t0_monotonic_ns=self._t0_monotonic_ns,
            speed=piece.speed,
            since_run_s=piece.run_s,
            since_t_s=piece.t_s,
        )
        clock.start.FromDatetime(self._geometry.start)
        update = control_pb2.NodeUpdate(
            clock=clock,
            epoch=mesh_pb2.Epoch(t0_s=self._epoch.t0_s, t1_s=self._epoch.t1_s),
            ephemeris=self._ephemeris[node.index],
            neighbours=self._neighbours[node.index],
            forecast=self._forecast(node.index),
            forecast_until_t_s=self.known_until_s,
            weather=self._weather.get(node.index, ()),
        )
        self._surroundings.add_to(update, node)
        return update

    def contacts_of(self, node: int) -> list[dict[str, Any]]:
        """Contacts of an inhabited node over the epochs known ahead, as JSON; orbit times."""
        return [
            {
                "peer": c.peer,
                "ground": c.kind == mesh_pb2.NODE_KIND_GROUND_STATION,
                "start_t_s": c.start_t_s,
                "end_t_s": c.end_t_s,
            }
            for c in self._forecast(node)
        ]

    def neighbours_of(self, node: int) -> list[int]:
        """Nodes one link away from an inhabited one, in the epoch of the last `compute`."""
        return [self._geometry.index_of(peer.name) for peer in self._neighbours.get(node, ())]

    def beside(self, failures: Failures) -> set[int]:
        """The inhabited nodes that notice when these nodes and links fail, or are back, in the epoch of the last `compute`."""
        if (epoch := self._epoch) is None:
            return set()
        noticing = {node for link in failures.links for node in link} | failures.nodes
        for node in failures.nodes:
            noticing |= {*epoch.b[epoch.a == node].tolist(), *epoch.a[epoch.b == node].tolist()}
        return noticing & self._inhabited

    def _ephemeris_of(self, node: int, knots: NDArray[np.float64]) -> mesh_pb2.Ephemeris:
        position_km, velocity_km_s = self._geometry.itrf(node, knots)
        return mesh_pb2.Ephemeris(
            first_t_s=float(knots[0]),
            step_s=KNOT_S,
            position_km=position_km.reshape(-1).tolist(),
            velocity_km_s=velocity_km_s.reshape(-1).tolist(),
        )

    def _weather_of(self, epoch: Epoch) -> dict[int, list[mesh_pb2.LinkWeather]]:
        """By inhabited node: what the air does to its ground links, as at the start of the grid's period of the epoch."""
        geometry, found = self._geometry, dict[int, list[mesh_pb2.LinkWeather]]()
        if geometry.weather.clear:
            return found
        ground = epoch.kind == GROUND
        satellite, station = epoch.a[ground], epoch.b[ground] - geometry.n_sat
        t0_s = geometry.grid_clock.boundary_s(geometry.grid_clock.number_at(epoch.t0_s))
        sky = geometry.weather.links(t0_s, station, geometry.elevation_deg(station, satellite, t0_s))
        pairs = zip(satellite.tolist(), (station + geometry.n_sat).tolist(), strict=True)
        for (a, b), (up_db, down_db), (up, down) in zip(
            pairs, sky.attenuation_db.tolist(), sky.share.tolist(), strict=True
        ):
            for node, peer in ((a, b), (b, a)):
                if node in self._inhabited:
                    found.setdefault(node, []).append(
                        mesh_pb2.LinkWeather(
                            peer=geometry.names[peer],
                            up_attenuation_db=up_db,
                            down_attenuation_db=down_db,
                            up_rate_ratio=up,
                            down_rate_ratio=down,
                        )
                    )
        return found

    def _forecast(self, node: int) -> list[mesh_pb2.Contact]:
        """Contacts of the node over the epochs known ahead, as they are forecast."""
        names, n_sat, until_s = self._geometry.names, self._geometry.n_sat, self.known_until_s
        told = list[tuple[float, str, float, int]]()
        for start_s, end_s, peer in self._contacts(node):
            stays = [(start_s, end_s)]
            if (node < n_sat) != (peer < n_sat):  # by radio
                stays = list(
                    self._forecaster.stays(
                        "contact", f"{names[node]}, {names[peer]}", stays, self._t_s, until_s
                    )
                )
            told += [(start, names[peer], end, peer) for start, end in stays]
        return [
            mesh_pb2.Contact(peer=name, kind=self._kind(peer), start_t_s=start, end_t_s=end)
            for start, name, end, peer in sorted(told)
        ]

    def _contacts(self, node: int) -> list[tuple[float, float, int]]:
        """Begin, end and peer of true contacts over the epochs known ahead: a contact is a run of epochs with the same peer."""
        open_since: dict[int, float] = {}
        contacts: list[tuple[float, float, int]] = []
        end_s = 0.0
        for epoch in list(self._ahead):
            peers = {*epoch.b[epoch.a == node].tolist(), *epoch.a[epoch.b == node].tolist()}
            for peer in [peer for peer in open_since if peer not in peers]:
                contacts.append((open_since.pop(peer), epoch.t0_s, peer))
            for peer in peers:
                open_since.setdefault(peer, epoch.t0_s)
            end_s = epoch.t1_s
        return contacts + [(since_s, end_s, peer) for peer, since_s in open_since.items()]

    def _kind(self, node: int) -> mesh_pb2.NodeKind.ValueType:
        return NODE_KINDS[self._geometry.kind[node]]
