"""Who reaches whom while views differ: every pair's way at an instant, by the routes that each node follows then. Pure.

works       next hop by next hop to the destination
no route    a node on the way knows of no way any more
hole        the next node is dark or the link to it is down, and the node before it has not heard
loop        nodes on the way know different things and send it round in a circle

Time stands still during a walk: light needs some milliseconds, in which a view may change. The fate of real packets is
`computed.py`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.routing.force_log import History, Intervals

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Indices = NDArray[np.int_]

# Pairs times instants: a megabyte for all that a walk has to remember. Any thread may walk, and keeps what it ever needed.
WALKS_AT_ONCE = 10_000
_MOST_HOPS = 255


class Fate(IntEnum):
    """What becomes of a packet that is sent now."""

    WORKS = 0
    NO_ROUTE = 1
    HOLE = 2
    LOOP = 3


@dataclass(frozen=True, slots=True)
class Fates:
    """`fate` (t, k, k): of a packet from ends[i] to ends[j] at each of `instants_s` (t,); to itself it always works."""

    instants_s: Floats
    ends: Indices
    fate: NDArray[np.uint8]


def fates(history: History, n_nodes: int, ends: Indices, instants_s: Floats) -> Fates:
    """The fate of every pair of `ends` (k,), nodes that have trees, at each of `instants_s` (t,), ascending."""
    t, k = len(instants_s), len(ends)
    numbers = history.epoch_numbers(np.repeat(instants_s, n_nodes), np.tile(np.arange(n_nodes), t))
    used, table = np.unique(numbers, return_inverse=True)
    nowhere = np.full((k, n_nodes), -1, dtype=np.int32)
    tables = np.stack([_rows(history, int(number), ends, nowhere) for number in used.tolist()])
    table = table.reshape(t, n_nodes)
    dark = _dark(history.dark, n_nodes, instants_s)
    ways, down = _down(history, n_nodes, instants_s)
    fate = np.empty((t, k, k), dtype=np.uint8)
    at_once = max(1, WALKS_AT_ONCE // (k * k))
    for some in (slice(first, first + at_once) for first in range(0, t, at_once)):
        fate[some] = _walk(_Mesh(tables, table[some], dark[some], ways, down[:, some]), ends)
    return Fates(instants_s, ends, fate)


@dataclass(frozen=True, slots=True)
class _Mesh:
    """Some instants (t,): next hops of all tables, which of them each node follows, who is dark, which ways are down."""

    tables: NDArray[np.int32]  # (tables, k, n_nodes)
    table: Indices  # (t, n_nodes)
    dark: Flags  # (t, n_nodes)
    ways: Indices  # (w,), from * n_nodes + to, ascending
    down: Flags  # (w, t)


def _walk(mesh: _Mesh, ends: Indices) -> NDArray[np.uint8]:
    """The fate (t, k, k) of every pair at every instant."""
    (t, n_nodes), k = mesh.table.shape, len(ends)
    instant, source, row = (axis.reshape(-1) for axis in np.indices((t, k, k)))
    here = ends[source]
    fate = np.full(t * k * k, Fate.LOOP, dtype=np.uint8)
    fate[mesh.dark[instant, here]] = Fate.HOLE
    moving = np.nonzero(~mesh.dark[instant, here])[0]
    for _ in range(_MOST_HOPS):
        at = here[moving]
        there = at == ends[row[moving]]
        fate[moving[there]] = Fate.WORKS
        moving, at = moving[~there], at[~there]
        if not len(moving):
            break
        when = instant[moving]
        onward = mesh.tables[mesh.table[when, at], row[moving], at].astype(np.int64)
        stuck = onward < 0
        fate[moving[stuck]] = Fate.NO_ROUTE
        moving, at, when, onward = moving[~stuck], at[~stuck], when[~stuck], onward[~stuck]
        lost = mesh.dark[when, onward]
        if len(mesh.ways):
            key = at * n_nodes + onward
            place = np.minimum(np.searchsorted(mesh.ways, key), len(mesh.ways) - 1)
            lost |= (mesh.ways[place] == key) & mesh.down[place, when]
        fate[moving[lost]] = Fate.HOLE
        moving, onward = moving[~lost], onward[~lost]
        here[moving] = onward
    return fate.reshape(t, k, k)


@dataclass(frozen=True, slots=True)
class Outage:
    """From node `a` to node `b`: first not to work `after_s` the change, then for `lasted_s`, None: to the end of the look."""

    a: int
    b: int
    after_s: float
    lasted_s: float | None
    looped: bool


def outages(found: Fates, at_s: float) -> list[Outage]:
    """Pairs that worked at the first instant and did not at a later one; the longest first.

    An outage ends at the first instant from which on the pair works, so it is known to one step of the instants.
    """
    works = found.fate == Fate.WORKS
    hit = works[0] & ~works.all(axis=0)
    result = []
    for i, j in np.argwhere(hit).tolist():
        out = np.nonzero(~works[:, i, j])[0]
        first, last = int(out[0]), int(out[-1])
        back = last + 1 < len(found.instants_s)
        begins_s = float(found.instants_s[first])
        result.append(
            Outage(
                int(found.ends[i]),
                int(found.ends[j]),
                begins_s - at_s,
                float(found.instants_s[last + 1]) - begins_s if back else None,
                bool((found.fate[:, i, j] == Fate.LOOP).any()),
            )
        )
    return sorted(result, key=lambda o: (o.lasted_s is not None, -(o.lasted_s or 0.0), o.a, o.b))


def _rows(history: History, number: int, ends: Indices, nowhere: NDArray[np.int32]) -> NDArray[np.int32]:
    """Next hops (k, n_nodes) towards `ends` in an epoch of the history; none before the first epoch."""
    if number < 0:
        return nowhere
    epoch = history.epochs[number]
    return epoch.next_hop[np.searchsorted(epoch.destinations, ends)]


def _dark(dark: Mapping[int, Intervals], n_nodes: int, instants_s: Floats) -> Flags:
    flags = np.zeros((len(instants_s), n_nodes), dtype=np.bool_)
    for node, intervals in dark.items():
        flags[:, node] = intervals.hold(instants_s)
    return flags


def _down(history: History, n_nodes: int, instants_s: Floats) -> tuple[Indices, Flags]:
    """Directions of links (w,) with faults, as from * n_nodes + to, ascending, and whether each is down (w, t)."""
    ways = sorted(history.conditions)
    flags = np.zeros((len(ways), len(instants_s)), dtype=np.bool_)
    for i, way in enumerate(ways):
        steps = history.conditions[way]
        flags[i] = [steps.at(int(number)).down for number in steps.numbers(instants_s)]
    return np.array([a * n_nodes + b for a, b in ways], dtype=np.int64), flags
