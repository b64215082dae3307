"""The ideal path: the shortest way at an instant, whatever is in force."""

from __future__ import annotations

import numpy as np

from skyrack.orchestrator.routing.trees import next_hops, walk
from skyrack.orchestrator.topology.geometry import Geometry


def ideal_path(geometry: Geometry, a: int, b: int, t_s: float) -> tuple[float, float, list[int]] | None:
    """(rtt_s, one_way_s, path) of the shortest way at the very instant `t_s`; None when there is none.

    Delays of links only. The round trip is twice the one-way delay at `t_s`.
    """
    ends = np.array([b], dtype=np.int32)
    link_a, link_b, _ = geometry.links_at(t_s)
    delay_s = geometry.delay_s(link_a, link_b, t_s)
    path = walk(next_hops(geometry.through, link_a, link_b, delay_s, ends)[0], a, b)
    if path is None:
        return None
    one_way_s = float(geometry.delay_s(path[:-1], path[1:], t_s).sum())
    return 2.0 * one_way_s, one_way_s, path
