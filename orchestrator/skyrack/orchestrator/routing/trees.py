"""Shortest-delay trees: the next hop of every node towards every destination, never through a ground station."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

Indices = NDArray[np.int32]
Floats = NDArray[np.float64]

# csgraph takes a stored zero for no edge, and satellites of a cluster may meet.
_SHORTEST_S = 1e-15


def next_hops(
    n_sat: int, n_nodes: int, a: Indices, b: Indices, delay_s: Floats, destinations: Indices
) -> Indices:
    """`next_hop` (d, n_nodes) towards each destination; -1 when unreachable, the destination itself at itself.

    Links (m,) join satellite `a` to `b`, a satellite or a ground station (index n_sat and up). Ground stations only
    send and receive: their links enter the graph from the ground up, so that a tree leaves its root if that is a
    station but never passes one; stations are attached afterwards to the best satellite they see.
    `delay_s` (m,) holds both ways, or (m, 2) from a to b and from b to a.
    """
    weight = np.maximum(delay_s, _SHORTEST_S)
    there, back = (weight, weight) if weight.ndim == 1 else (weight[:, 0], weight[:, 1])
    ground = b >= n_sat
    row = np.concatenate([a[~ground], b])
    column = np.concatenate([b[~ground], a])
    # From a root outwards, against the packets: an edge from a to b is what the way from b to a costs.
    graph = csr_array((np.concatenate([back[~ground], there]), (row, column)), shape=(n_nodes, n_nodes))
    if not len(destinations):
        return np.empty((0, n_nodes), dtype=np.int32)
    distance_s, previous = dijkstra(graph, indices=destinations, return_predecessors=True)
    hop = np.where(previous < 0, -1, previous).astype(np.int32)
    hop[:, n_sat:] = -1
    for station in range(n_sat, n_nodes):
        links = np.nonzero(b == station)[0]
        if len(links):
            total_s = distance_s[:, a[links]] + back[links]
            best = np.argmin(total_s, axis=1)
            reached = np.isfinite(total_s[np.arange(len(destinations)), best])
            hop[:, station] = np.where(reached, a[links][best], -1)
    hop[np.arange(len(destinations)), destinations] = destinations
    return hop


def walk(hop: Indices, source: int, destination: int) -> list[int] | None:
    """The nodes from source to destination along one row of next hops, both included.

    None when unreachable, or in a circle: next hops of several views may form one.
    """
    path = [source]
    here = source
    while here != destination:
        here = int(hop[here])
        if here < 0:
            return None
        path.append(here)
        if len(path) > len(hop):
            return None
    return path
