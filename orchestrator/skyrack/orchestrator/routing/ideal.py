"""Ideal paths: the shortest way at an instant, whatever is in force, and the shortest of each kind.

best        over everything, through who forwards
space       over lasers: up once, down once
bent-pipe   without lasers: up and straight down, fibre between
fibre       along the ground
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import numpy as np

from skyrack.orchestrator.routing.trees import next_hops, walk
from skyrack.orchestrator.topology.epoch import FIBRE, GROUND, LASER
from skyrack.orchestrator.topology.geometry import Geometry

WayKind = Literal["best", "space", "bent-pipe", "fibre"]
_KINDS: Final[Mapping[WayKind, tuple[int, ...]]] = {
    "best": (LASER, GROUND, FIBRE),
    "space": (LASER, GROUND),
    "bent-pipe": (GROUND, FIBRE),
    "fibre": (FIBRE,),
}
WAY_KINDS: Final = tuple(_KINDS)


def ideal_path(
    geometry: Geometry, a: int, b: int, t_s: float, way: WayKind = "best"
) -> tuple[float, float, list[int]] | None:
    """(rtt_s, one_way_s, path) of the shortest way at the very instant `t_s`; None when there is none.

    Delays of links only. The round trip is twice the one-way delay at `t_s`.
    """
    ends = np.array([b], dtype=np.int32)
    link_a, link_b, kind = geometry.links_at(t_s)
    through = geometry.through
    if way != "best":
        of_kind = np.isin(kind, _KINDS[way])
        link_a, link_b = link_a[of_kind], link_b[of_kind]
        on_ground = [way != "space" and what in ("ground", "pop") for what in geometry.kind]
        through = np.array([what == "satellite" for what in geometry.kind]) | np.array(on_ground)
    delay_s = geometry.delay_s(link_a, link_b, t_s)
    path = walk(next_hops(through, link_a, link_b, delay_s, ends)[0], a, b)
    if path is None:
        return None
    one_way_s = float(geometry.delay_s(path[:-1], path[1:], t_s).sum())
    return 2.0 * one_way_s, one_way_s, path
