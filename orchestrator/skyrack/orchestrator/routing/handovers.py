"""Which ground stations began to send through another satellite when one epoch followed another. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from skyrack.orchestrator.topology.epoch import Epoch


class Handover(NamedTuple):
    """From now on `station` sends to satellite `to` what it sent to satellite `frm`; node indices."""

    station: int
    frm: int
    to: int


def handovers(before: Epoch, after: Epoch, stations: Iterable[int]) -> list[Handover]:
    """By station, each pair of satellites once, however many destinations moved.

    A destination that cannot be reached in one of the two epochs is not handed over.
    """
    found: list[Handover] = []
    for station in stations:
        old, new = before.next_hop[:, station], after.next_hop[:, station]
        moved = (old != new) & (old >= 0) & (new >= 0)
        if moved.any():
            pairs = np.unique(np.stack([old[moved], new[moved]], axis=1), axis=0)
            found += [Handover(station, frm, to) for frm, to in pairs.tolist()]
    return found
