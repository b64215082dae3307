"""Shortest-delay trees: the next hop of every node towards every destination, through those that forward."""

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
    through: NDArray[np.bool_], a: Indices, b: Indices, delay_s: Floats, destinations: Indices
) -> Indices:
    """`next_hop` (d, n_nodes) towards each destination; -1 when unreachable, the destination itself at itself.

    Links (m,) join nodes `a` and `b`. `through` (n_nodes,): who forwards. The others only send and receive: links enter
    the graph towards forwarding nodes alone, so that a tree leaves its root whoever that is but never passes one of the
    others; those are attached afterwards over the best link they have.
    `delay_s` (m,) holds both ways, or (m, 2) from a to b and from b to a.
    """
    n_nodes = len(through)
    if not len(destinations):
        return np.empty((0, n_nodes), dtype=np.int32)
    weight = np.maximum(delay_s, _SHORTEST_S)
    there, back = (weight, weight) if weight.ndim == 1 else (weight[:, 0], weight[:, 1])
    # From a root outwards, against the packets: an edge from a to b is what the way from b to a costs.
    out, home = through[b], through[a]
    row, column = np.concatenate([a[out], b[home]]), np.concatenate([b[out], a[home]])
    graph = csr_array((np.concatenate([back[out], there[home]]), (row, column)), shape=(n_nodes, n_nodes))
    distance_s, previous = dijkstra(graph, indices=destinations, return_predecessors=True)
    hop = np.where(previous < 0, -1, previous).astype(np.int32)
    silent = np.nonzero(~through)[0]
    hop[:, silent] = -1
    rows = np.arange(len(destinations))
    end, far = np.concatenate([b[~out], a[~home]]), np.concatenate([a[~out], b[~home]])
    cost_s = np.concatenate([back[~out], there[~home]])
    for node in silent.tolist():
        links = np.nonzero(end == node)[0]
        if len(links):
            total_s = distance_s[:, far[links]] + cost_s[links]
            best = np.argmin(total_s, axis=1)
            hop[:, node] = np.where(np.isfinite(total_s[rows, best]), far[links][best], -1)
    hop[rows, destinations] = destinations
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
