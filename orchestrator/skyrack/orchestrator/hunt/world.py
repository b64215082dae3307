"""What a scenario offers to a hunt: who can be broken, and the state of the links between clients and members. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from typing import Literal, Protocol

from skyrack.orchestrator.routing.paths import path_of
from skyrack.orchestrator.topology.epoch import Epoch
from skyrack.orchestrator.topology.geometry import Geometry

Role = Literal["member", "gateway", "satellite", "link"]


class World(Protocol):
    """Instants are seconds of orbit from the scenario's start."""

    @property
    def service(self) -> str:
        """The name of the service under test."""
        ...

    @property
    def members(self) -> tuple[str, ...]:
        """The nodes of the service under test."""
        ...

    @property
    def clients(self) -> tuple[str, ...]:
        """The nodes its operations come from."""
        ...

    @property
    def inhabited(self) -> tuple[str, ...]:
        """The nodes that have a process."""
        ...

    def role(self, name: str) -> Role:
        """What a node is; `link` where it is none."""
        ...

    def changes_s(self, t0_s: float, t1_s: float) -> tuple[float, ...]:
        """When a way between clients and members changes within [t0_s, t1_s)."""
        ...

    def links(self, t_s: float) -> tuple[tuple[str, str], ...]:
        """The links on ways from clients to members and between members."""
        ...

    def lit(self, node: str, t_s: float) -> int:
        """How many links of a node are lit."""
        ...

    def hops(self, t_s: float) -> int | None:
        """The longest way from a client to its nearest member, in hops; None where one has no way."""
        ...


@dataclass(frozen=True)
class OrbitWorld:
    """The world of a scenario, from its geometry. Remembers the ways of the epochs it was asked about."""

    geometry: Geometry
    service: str
    members: tuple[str, ...]
    clients: tuple[str, ...]
    _ways: dict[tuple[float, float], tuple[tuple[int, ...] | None, ...]] = field(default_factory=dict)

    @property
    def inhabited(self) -> tuple[str, ...]:
        """In order of their numbers: satellites, then the ground."""
        return tuple(self.geometry.names[node] for node in self.geometry.inhabited.tolist())

    def role(self, name: str) -> Role:
        """Its part in the scenario."""
        if name in self.members:
            return "member"
        if name not in self.geometry.names:
            return "link"
        return "satellite" if self.geometry.index_of(name) < self.geometry.n_sat else "gateway"

    def changes_s(self, t0_s: float, t1_s: float) -> tuple[float, ...]:
        """Beginnings of epochs whose ways are not those of the epoch before."""
        found = []
        before = self._ways_of(self.geometry.epoch(t0_s))
        for epoch in self._epochs(t0_s, t1_s):
            now = self._ways_of(epoch)
            if now != before:
                found.append(epoch.t0_s)
            before = now
        return tuple(found)

    def links(self, t_s: float) -> tuple[tuple[str, str], ...]:
        """Sorted by name."""
        names = self.geometry.names
        ways = [way for way in self._ways_of(self.geometry.epoch(t_s)) if way]
        pairs = {(min(a, b), max(a, b)) for way in ways for a, b in pairwise(way)}
        return tuple(sorted((names[a], names[b]) for a, b in pairs))

    def lit(self, node: str, t_s: float) -> int:
        """Those in force."""
        epoch, index = self.geometry.epoch(t_s), self.geometry.index_of(node)
        return int(((epoch.a == index) | (epoch.b == index)).sum())

    def hops(self, t_s: float) -> int | None:
        """Of the ways in force; a client that is a member itself has no hop."""
        ways = self._ways_of(self.geometry.epoch(t_s))
        count, nearest = len(self.members), []
        for first in range(0, count * len(self.clients), count):
            lengths = [len(way) - 1 for way in ways[first : first + count] if way is not None]
            if not lengths:
                return None
            nearest.append(min(lengths))
        return max(nearest, default=None)

    def _epochs(self, t0_s: float, t1_s: float) -> Iterator[Epoch]:
        """Those after the one that holds `t0_s`."""
        epoch = self.geometry.epoch(t0_s)
        while epoch.t1_s < t1_s:
            epoch = self.geometry.epoch(epoch.t1_s)
            yield epoch

    def _ways_of(self, epoch: Epoch) -> tuple[tuple[int, ...] | None, ...]:
        """From each client to each member, then between members."""
        key = (epoch.t0_s, epoch.t1_s)
        if key not in self._ways:
            pairs = [(a, b) for a in self.clients for b in self.members]
            pairs += combinations(self.members, 2)
            self._ways[key] = tuple(_tuple(path_of(epoch, *self._both(pair))) for pair in pairs)
        return self._ways[key]

    def _both(self, names: Sequence[str]) -> tuple[int, int]:
        a, b = names
        return self.geometry.index_of(a), self.geometry.index_of(b)


def _tuple(path: list[int] | None) -> tuple[int, ...] | None:
    return None if path is None else tuple(path)
