"""What is under way when routes leave a link: next hops over links that are lit and no longer routed. Pure.

A satellite that a station has just left still has packets for it in hand and in flight. Over routed links they may have a
long way round, or none; the link they were meant for is still lit:

    station ~~~ old satellite === mesh         down the old link goes what the old satellite gets,
       \\=====  new satellite ===               up it goes nothing, and nobody is routed over it

Two rules. Who has no way over routed links takes the shortest over all that are lit. A satellite that still has light to the
destination delivers to it, unless a way in force passes there: those go on as they will when the link is dark.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.topology.epoch import GROUND, Epoch

Flags = NDArray[np.bool_]
Indices = NDArray[np.int32]


def drained(links: Epoch, spared: Flags, through: Flags, over_all: Callable[[], Indices]) -> Epoch:
    """The epoch with next hops for what is under way; its own are over routed links.

    `spared` (m,): links that have not failed. `through` (n_nodes,): who forwards. `over_all`: next hops over all of those
    links, asked for only when somebody who forwards has none.
    """
    assert links.routed is not None
    hop = links.next_hop.copy()
    stuck = hop < 0
    stuck[:, ~through] = False  # who sends and passes nothing on has no packets under way
    if stuck.any():
        hop = _filled(hop, stuck, over_all(), links.destinations)
    last = np.nonzero(~links.routed & spared & (links.kind == GROUND))[0]
    for satellite, station in zip(links.a[last].tolist(), links.b[last].tolist(), strict=True):
        row = links.row_of(station)
        if row is not None and not _on_ways(links.next_hop[row], links.destinations)[satellite]:
            hop[row, satellite] = station
    return replace(links, next_hop=hop)


def _filled(hop: Indices, stuck: Flags, over_all: Indices, destinations: Indices) -> Indices:
    """Next hops where there was none, as far as following them arrives: tables of two kinds may form circles."""
    filled = np.where(stuck, over_all, hop)
    onward = np.where(filled < 0, np.arange(hop.shape[1], dtype=np.int32), filled)
    for _ in range(hop.shape[1].bit_length()):
        onward = np.take_along_axis(onward, onward, axis=1)
    arrives = onward == destinations[:, np.newaxis]
    return np.where(stuck & ~arrives, -1, filled).astype(np.int32)


def _on_ways(hop: Indices, sources: Indices) -> Flags:
    """Nodes (n_nodes,) that a way from one of `sources` passes, themselves included."""
    passed = np.zeros(len(hop), dtype=np.bool_)
    here = sources
    while len(here):
        passed[here] = True
        onward = np.unique(hop[here])
        here = onward[(onward >= 0) & ~passed[onward]]
    return passed
