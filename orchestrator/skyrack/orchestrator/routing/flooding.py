"""How news of a change spreads: those beside it notice, and tell it on over every link that is left, hop by hop. Pure.

t            t + detection                                 + (delay + processing) per hop
X dies --->  neighbours miss its hellos  --->  their neighbours  --->  ...  each changes its routes when it has heard
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

Floats = NDArray[np.float64]
Indices = NDArray[np.int32]

# csgraph takes a stored zero for no edge.
_SHORTEST_S = 1e-12


def learns_s(
    n_nodes: int,
    a: Indices,
    b: Indices,
    delay_s: Floats,
    processing_s: float,
    witnesses_s: Mapping[int, float],
    relays: NDArray[np.bool_] | None = None,
) -> Floats:
    """When each node (n_nodes,) hears, infinite where the news cannot reach it.

    Links (m,) carry the news both ways in `delay_s`, and each node that passes it on needs `processing_s`; `witnesses_s`:
    when those who notice by themselves do. `relays` (n_nodes,): who passes news on; None for everybody.
    """
    if not witnesses_s:
        return np.full(n_nodes, np.inf)
    first_s = min(witnesses_s.values())
    nodes = np.fromiter(witnesses_s, dtype=np.int32)
    after_s = np.fromiter(witnesses_s.values(), dtype=np.float64) - first_s
    hop_s = delay_s + processing_s
    source = np.full(len(nodes), n_nodes)  # stands for the change itself
    there, back = (relays[a], relays[b]) if relays is not None else (slice(None), slice(None))
    row, column = np.concatenate([source, a[there], b[back]]), np.concatenate([nodes, b[there], a[back]])
    weight = np.maximum(np.concatenate([after_s, hop_s[there], hop_s[back]]), _SHORTEST_S)
    graph = csr_array((weight, (row, column)), shape=(n_nodes + 1, n_nodes + 1))
    from_change_s = dijkstra(graph, indices=np.array([n_nodes], dtype=np.int32))[0]
    return np.asarray(first_s + from_change_s[:n_nodes], dtype=np.float64)


def all_heard_s(parts_s: Sequence[Floats], n_nodes: int) -> Floats:
    """When each node (n_nodes,) has heard of every part of a change, of those parts that ever reach it.

    A plane that fails at once is one change of many parts: who has heard of its near end cannot know of its far end. A node
    acts once, when the last part has reached it; infinite where none does.
    """
    heard_s = np.full(n_nodes, np.inf)
    for part_s in parts_s:
        later_s = np.where(np.isinf(heard_s), part_s, np.maximum(heard_s, part_s))
        heard_s = np.where(np.isinf(part_s), heard_s, later_s)
    return heard_s


def witnesses_of_loss(
    a: Indices, b: Indices, delay_s: Floats, lost: NDArray[np.bool_], at_s: float, detection_s: float
) -> dict[int, float]:
    """When the ends of links (m,) that are `lost` since `at_s` notice: the last light arrives, then `detection_s` passes."""
    return _earliest(a, b, at_s + delay_s + detection_s, lost)


def witnesses_of_return(
    a: Indices, b: Indices, delay_s: Floats, back: NDArray[np.bool_], at_s: float
) -> dict[int, float]:
    """When the ends of links (m,) that are `back` since `at_s` notice: when the first light arrives."""
    return _earliest(a, b, at_s + delay_s, back)


def _earliest(a: Indices, b: Indices, when_s: Floats, which: NDArray[np.bool_]) -> dict[int, float]:
    seen: dict[int, float] = {}
    for first, second, at_s in zip(a[which].tolist(), b[which].tolist(), when_s[which].tolist(), strict=True):
        for node in (first, second):
            seen[node] = min(at_s, seen.get(node, np.inf))
    return seen


def summary(parts_s: Sequence[Floats], n_nodes: int, at_s: float) -> dict[str, float | int | None]:
    """How a change of `at_s` spread, in seconds after it, and how many nodes hear of it or never do.

    First to notice any of it, last to hear all of what reaches it.
    """
    heard_s = all_heard_s(parts_s, n_nodes)
    reached = np.isfinite(heard_s)
    some = bool(reached.any())
    return {
        "detected_after_s": round(float(np.min(parts_s)) - at_s, 6) if some else None,
        "last_informed_after_s": round(float(heard_s[reached].max()) - at_s, 6) if some else None,
        "informed": int(reached.sum()),
        "cut_off": n_nodes - int(reached.sum()),
    }
