"""What is left of an epoch's links when some nodes are dark, and whether it still joins the others. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from skyrack.orchestrator.topology.epoch import Epoch
from skyrack.orchestrator.topology.failures import Failures


class Links(NamedTuple):
    """Links (m,), as in Epoch."""

    a: NDArray[np.int32]
    b: NDArray[np.int32]
    kind: NDArray[np.uint8]


def lit_links(epoch: Epoch | None, failures: Failures) -> Links:
    """The epoch's links without those that have failed; none without an epoch."""
    if epoch is None:
        return Links(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.uint8))
    lit = failures.spare(epoch.a, epoch.b)
    return Links(epoch.a[lit], epoch.b[lit], epoch.kind[lit])


def count_parts(links: Links, n_nodes: int, members: Collection[int]) -> int:
    """How many groups the links divide `members` into: 1 when each can reach all others, by whatever nodes."""
    graph = coo_array((np.ones(len(links.a), np.int8), (links.a, links.b)), shape=(n_nodes, n_nodes))
    _, part = connected_components(graph, directed=False)
    return len(np.unique(part[np.fromiter(members, dtype=np.int64)]))
