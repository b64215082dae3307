"""Who is there, where, and who could ever be linked to whom: what a fault's target is checked against."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from skyrack.orchestrator.faults.problem import Unknown
from skyrack.orchestrator.spelling import closest

Services = Mapping[str, Sequence[int]]  # the nodes of each, in order
_IN_PLANE = re.compile(r"(.*p\d+)s\d+")  # as scenario.names.walker_names makes them


@dataclass(frozen=True, slots=True)
class Ground:
    """A node on the ground: a gateway, a user terminal or a point of presence. `country` is a code of ISO 3166."""

    kind: Literal["ground", "user", "pop"]
    lat_deg: float
    lon_deg: float
    country: str | None = None
    region: str | None = None


class Atlas:
    """Nodes by index: satellites 0..n_sat-1, then those on the ground, `n_radio` of them with an antenna first.

    `lasers`: the pairs that the pattern ever joins; None where it chooses anew all the time, so that any two may meet.
    `fibres`: pairs of nodes on the ground. A satellite and an antenna may always meet. `ground`: those on the ground, in
    order. `batches`: launches, the satellites of each; `launches`: those that the scenario names. `shells`: the satellites of
    each that has a name. `services`: those there are now; without it none is checked. `inhabited`: nodes with a process; None
    for all.
    """

    def __init__(
        self,
        names: Sequence[str],
        n_sat: int,
        n_radio: int,
        lasers: Iterable[tuple[int, int]] | None,
        fibres: Iterable[tuple[int, int]] = (),
        *,
        ground: Sequence[Ground] = (),
        batches: Sequence[Sequence[int]] = (),
        launches: Mapping[str, Sequence[int]] | None = None,
        shells: Mapping[str, Sequence[int]] | None = None,
        services: Callable[[], Services] | None = None,
        inhabited: Collection[int] | None = None,
    ) -> None:
        self.names = names
        self.n_sat = n_sat
        self.ground = ground
        self.batches = batches
        self.launches: Mapping[str, Sequence[int]] = launches or {}
        self.shells = shells or {}
        self._services = services
        self._inhabited = None if inhabited is None else frozenset(inhabited)
        self._n_meeting = n_sat + n_radio
        self._index = {name: i for i, name in enumerate(names)}
        self._any_two_satellites = lasers is None
        self._beside: list[set[int]] = [set() for _ in names]
        for a, b in (*(lasers or ()), *fibres):
            self._beside[a].add(b)
            self._beside[b].add(a)
        self._planes: dict[str, list[int]] = {}
        self._plane_of: dict[int, str] = {}
        for i, name in enumerate(names[:n_sat]):
            if match := _IN_PLANE.fullmatch(name):
                self._planes.setdefault(match[1], []).append(i)
                self._plane_of[i] = match[1]

    def knows(self, name: str) -> bool:
        """Whether a node is called so."""
        return name in self._index

    def node(self, name: str, others: Collection[str] = ()) -> int:
        """The node's index. Raises Unknown; `others` are words that may have been meant too."""
        if name not in self._index:
            known = dict.fromkeys((*self._index, *others)) if others else self._index
            raise Unknown(
                f"no node is called {name[:80]!r}{_hint(name, known, 'skyrack status --all lists them')}"
            )
        return self._index[name]

    def plane(self, name: str) -> Sequence[int]:
        """The satellites of a plane. Raises Unknown."""
        if name not in self._planes:
            few = list(self._planes)
            there = f"there are {few[0]} to {few[-1]}" if few else "no satellite here is named by its plane"
            raise Unknown(f"no plane is called {name[:80]!r}{_hint(name, self._planes, there)}")
        return self._planes[name]

    def has_plane(self, name: str) -> bool:
        """Whether a plane is called so."""
        return name in self._planes

    def service(self, name: str) -> Sequence[int]:
        """The nodes where a service is, in order. Raises Unknown."""
        there = self._services() if self._services is not None else {}
        if name not in there:
            listed = f"there are {', '.join(there)}" if there else "there is none"
            raise Unknown(f"no service is called {name[:80]!r}{_hint(name, there, listed)}")
        return there[name]

    def require_service(self, node: int, name: str) -> None:
        """Raises Unknown unless the service is at that node, or nobody knows which there are."""
        if self._services is None:
            return
        nodes = self.service(name)
        if node not in nodes:
            where = ", ".join(self.names[other] for other in nodes[:8]) + (", ..." if len(nodes) > 8 else "")
            raise Unknown(f"{name} is not at {self.names[node]}: it is at {where or 'no node'}")

    def has_process(self, node: int) -> bool:
        """Whether anything runs there."""
        return self._inhabited is None or node in self._inhabited

    def may_link(self, a: int, b: int) -> bool:
        """Whether a link between the two could ever be."""
        satellites = (a < self.n_sat) + (b < self.n_sat)
        if a == b:
            return False
        if satellites == 2 and self._any_two_satellites:
            return True
        return (satellites == 1 and max(a, b) < self._n_meeting) or b in self._beside[a]

    def neighbours(self, node: int) -> list[int]:
        """Everybody whom `node` could ever be linked to, in order."""
        return [other for other in range(len(self.names)) if self.may_link(node, other)]

    def across(self, node: int) -> list[int]:
        """Satellites of other planes that it may point a laser at; those of any where nobody says which plane it is in."""
        others = range(self.n_sat) if self._any_two_satellites else self.lasers(node)
        plane = self._plane_of.get(node)
        return [o for o in others if o != node and (plane is None or self._plane_of.get(o) != plane)]

    def lasers(self, node: int) -> list[int]:
        """Satellites that the pattern joins to this one for good, in order."""
        return [other for other in sorted(self._beside[node]) if max(node, other) < self.n_sat]

    def described(self, node: int) -> str:
        """In a few words whom the node may be linked to."""
        satellite = node < self.n_sat
        if satellite and self._any_two_satellites:
            return "any satellite, and stations"
        named = ", ".join(self.names[other] for other in sorted(self._beside[node]))
        if node >= self._n_meeting:
            return named or "nobody"
        rest = "stations" if satellite else "satellites"
        return f"{named}, and {rest}" if named else rest


def _hint(name: str, known: Collection[str], otherwise: str) -> str:
    near = closest(name, known)
    return f": {near or otherwise}"
