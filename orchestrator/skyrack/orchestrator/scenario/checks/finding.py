"""What a check is given and what it yields."""

from dataclasses import dataclass, replace
from typing import Any

from ...spelling import closest
from ..model.fibre import PREFIX as POP
from ..model.places import name_at
from ..model.scenario import Scenario
from ..model.users import PREFIX as USER
from ..problem import Problem
from ..satellites import satellite_names

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong at a path of keys, or in another file altogether."""

    path: Path
    message: str
    hint: str | None = None
    elsewhere: Problem | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A scenario that may still be faulty.

    `data` is what the user wrote. In `scenario` only the top-level keys named in `bad` are not what the user wrote.
    `satellites` has the satellites' names as keys, in order; it is None while they cannot be known. `ground`,
    `pops` and `users` have "" for an item without a usable name.
    """

    data: dict[str, Any]
    scenario: Scenario
    bad: frozenset[str]
    satellites: dict[str, None] | None = None
    ground: tuple[str, ...] = ()
    pops: tuple[str, ...] = ()
    users: tuple[str, ...] = ()

    def with_names(self, *, orbits_known: bool) -> "Draft":
        """Return the draft with the names of its nodes filled in, as far as they can be known."""
        known = orbits_known and not self.bad & {"shells", "tle", "omm"}
        satellites = dict.fromkeys(satellite_names(self.scenario)) if known else None
        items = [
            item.get("name") if isinstance(item, dict) else item for item in as_list(self.data.get("ground"))
        ]
        ground = tuple(item if isinstance(item, str) else "" for item in items)
        pops = tuple(name_at(POP, item) or "" for item in as_list(self.data.get("pops")))
        users = tuple(name_at(USER, item) or "" for item in as_list(self.data.get("users")))
        return replace(self, satellites=satellites, ground=ground, pops=pops, users=users)

    @property
    def on_ground(self) -> tuple[str, ...]:
        """The names of all nodes that are no satellites, in node order."""
        return (*self.ground, *self.users, *self.pops)

    def is_unknown(self, name: str) -> bool:
        """Whether no node can have this name."""
        return self.satellites is not None and name not in self.satellites and name not in self.on_ground

    def nearest(self, name: str) -> str | None:
        """Return a hint with the most similar node name, or with what the satellites are called."""
        satellites = self.satellites or {}
        if hint := closest(name, {**satellites, **dict.fromkeys(self.on_ground)}):
            return hint
        return (
            f"satellites are called {next(iter(satellites))} to {next(reversed(satellites))}"
            if satellites
            else None
        )


def as_list(value: Any) -> list[Any]:
    """Return a list as it is and anything else as no list at all."""
    return value if isinstance(value, list) else []
