"""What must hold between keys: names that exist, room for every node, orbit files that can be read.

Each check takes a draft, in which only the keys named in `bad` are not what the user wrote, and yields findings.
"""

import os.path
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .catalogue import CatalogueError
from .model.inhabited import InhabitedCount
from .model.scenario import Scenario
from .names import closest
from .problem import Problem
from .satellites import catalogue, satellite_names

MOST_SATELLITES = 100_000


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong at a path of keys, or in another file altogether."""

    path: tuple[str | int, ...]
    message: str
    hint: str | None = None
    elsewhere: Problem | None = None


@dataclass(frozen=True, slots=True)
class _Names:
    """The names of a draft. `satellites` is None while they cannot be known."""

    satellites: tuple[str, ...] | None
    ground: tuple[str, ...]

    def unknown(self, name: str) -> bool:
        return self.satellites is not None and name not in self.satellites and name not in self.ground

    def hint(self, name: str, *, ground: bool = True) -> str | None:
        return closest(name, (*(self.ground if ground else ()), *(self.satellites or ())))


def check(draft: Scenario, data: dict[str, Any], bad: frozenset[str]) -> Iterator[Finding]:
    """Yield what is wrong between the keys of a draft; `data` is what the user wrote, `bad` what is rejected."""
    files_readable = True
    for finding in _orbit_files(draft):
        files_readable = False
        yield finding
    known = files_readable and not bad & {"shells", "tle", "omm"}
    if known and not (draft.shells or draft.tle or draft.omm):
        yield Finding((), "no satellites: give shells, tle or omm", "extends: iridium brings 66")
        return
    if "shells" not in bad:
        yield from _shell_names(draft)
        if (total := sum(shell.size for shell in draft.shells)) > MOST_SATELLITES:
            yield Finding(("shells",), f"{total:,} satellites, {MOST_SATELLITES:,} at most")
            return
    names = _Names(satellite_names(draft) if known else None, _ground_names(data))
    yield from _node_names(names, data)
    if names.satellites is not None:
        yield from _room(draft, len(names.satellites) + len(names.ground), bad)
    if "inhabited" not in bad:
        yield from _inhabited(draft, names)
    if "links" not in bad:
        yield from _extra_delay(draft, names)
    if "workloads" not in bad:
        yield from _workloads(draft, names, bad)


def _orbit_files(draft: Scenario) -> Iterator[Finding]:
    for key in ("tle", "omm"):
        for number, path in enumerate(getattr(draft, key)):
            try:
                catalogue(draft.model_copy(update={"tle": (path,), "omm": ()}))
            except CatalogueError as error:
                if error.line:
                    problem = Problem(os.path.relpath(path), error.line, 1, error.message)
                    yield Finding((key, number), error.message, elsewhere=problem)
                else:
                    yield Finding((key, number), f"orbit file {os.path.relpath(path)}: {error.message}")


def _shell_names(draft: Scenario) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for number, shell in enumerate(draft.shells):
        if shell.name is None:
            if len(draft.shells) > 1:
                yield Finding(("shells", number), "a shell needs a name when there are several")
        elif shell.name in seen:
            yield Finding(("shells", number, "name"), f"two shells are called '{shell.name}'")
        else:
            seen[shell.name] = number


def _ground_names(data: dict[str, Any]) -> tuple[str, ...]:
    """Return the names of ground stations as written, so that a station with another fault still counts."""
    ground = data.get("ground")
    items = ground if isinstance(ground, list) else []
    names = [item.get("name") if isinstance(item, dict) else item for item in items]
    return tuple(name if isinstance(name, str) else "" for name in names)


def _node_names(names: _Names, data: dict[str, Any]) -> Iterator[Finding]:
    seen = set(names.satellites or ())
    if len(seen) < len(names.satellites or ()):
        doubles = sorted({name for name in seen if (names.satellites or ()).count(name) > 1})
        yield Finding((), f"two satellites are called '{doubles[0]}'")
    satellites = frozenset(seen)
    for number, name in enumerate(names.ground):
        if name and name in seen:
            what = "a satellite" if name in satellites else "another ground station"
            yield Finding(("ground", number, "name"), f"'{name}' is already the name of {what}")
        seen.add(name)


def _room(draft: Scenario, nodes: int, bad: frozenset[str]) -> Iterator[Finding]:
    if "network" in bad:
        return
    if (room := draft.network.num_addresses - 2) < nodes:
        prefix = 32 - (nodes + 1).bit_length()
        hint = f"/{prefix} is enough" if prefix >= 8 else None
        yield Finding(("network",), f"{draft.network} holds {room:,} nodes, the scenario has {nodes:,}", hint)


def _inhabited(draft: Scenario, names: _Names) -> Iterator[Finding]:
    if names.satellites is None:
        return
    inhabited = draft.inhabited
    if isinstance(inhabited, InhabitedCount) and inhabited.count > len(names.satellites):
        message = f"{inhabited.count} inhabited satellites of {len(names.satellites)}"
        yield Finding(("inhabited", "count"), message, "write: inhabited: all")
    if isinstance(inhabited, tuple):
        satellites = frozenset(names.satellites)
        for number, name in enumerate(inhabited):
            if name in names.ground:
                yield Finding(
                    ("inhabited", number), f"'{name}' is a ground station: those are always inhabited"
                )
            elif name not in satellites:
                yield Finding(
                    ("inhabited", number), f"unknown satellite '{name}'", names.hint(name, ground=False)
                )
            elif name in inhabited[:number]:
                yield Finding(("inhabited", number), f"'{name}' is listed twice")


def _extra_delay(draft: Scenario, names: _Names) -> Iterator[Finding]:
    for number, extra in enumerate(draft.links.extra_delay):
        for end, name in (("a", extra.a), ("b", extra.b)):
            if names.unknown(name):
                yield Finding(
                    ("links", "extra_delay", number, end), f"unknown node '{name}'", names.hint(name)
                )
        if extra.a == extra.b:
            yield Finding(("links", "extra_delay", number, "b"), "a link joins two different nodes")


def _workloads(draft: Scenario, names: _Names, bad: frozenset[str]) -> Iterator[Finding]:
    for number, workload in enumerate(draft.workloads):
        path = ("workloads", number, "pairs")
        if isinstance(workload.pairs, tuple):
            for index, pair in enumerate(workload.pairs):
                yield from _pair((*path, index), pair, draft, names, bad)
        elif (endpoints := _endpoints(draft, names, bad)) is not None and endpoints < 2:
            message = f"{workload.kind} needs two inhabited nodes, the scenario has {endpoints}"
            yield Finding(path, message)


def _pair(
    path: tuple[str | int, ...], pair: str, draft: Scenario, names: _Names, bad: frozenset[str]
) -> Iterator[Finding]:
    ends = [end.strip() for end in pair.split(">")]
    if ends[0] == ends[1]:
        yield Finding(path, f"'{pair}' joins a node to itself")
    for end in dict.fromkeys(ends):
        if names.unknown(end):
            yield Finding(path, f"unknown node '{end}'", names.hint(end))
        elif (
            isinstance(draft.inhabited, tuple)
            and "inhabited" not in bad
            and names.satellites is not None
            and end not in names.ground
            and end not in draft.inhabited
        ):
            yield Finding(path, f"'{end}' has no process", "add it to inhabited")


def _endpoints(draft: Scenario, names: _Names, bad: frozenset[str]) -> int | None:
    """Return how many nodes have a process, None when that depends on positions or is not known."""
    if names.satellites is None or "inhabited" in bad:
        return None
    match draft.inhabited:
        case "all":
            return len(names.satellites) + len(names.ground)
        case InhabitedCount(count=count):
            return count + len(names.ground)
        case tuple(listed):
            return len(listed) + len(names.ground)
    return None
