"""What a selection policy is given and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Candidates:
    """Satellites that stations see throughout an epoch: pairs (m,), sorted by station and satellite.

    `antennas` (g,): how many links each station can hold at once. `remaining_s`: how long each satellite (m,) stays in
    sight from now; it is asked only by who needs it, since it looks ahead.
    """

    station: NDArray[np.int32]
    satellite: NDArray[np.int32]
    elevation_deg: NDArray[np.float64]
    antennas: NDArray[np.int64]
    remaining_s: Callable[[], NDArray[np.float64]]

    def among(self, which: NDArray[np.bool_]) -> Candidates:
        """Those flagged (m,) alone."""
        return Candidates(
            self.station[which],
            self.satellite[which],
            self.elevation_deg[which],
            self.antennas,
            lambda: self.remaining_s()[which],
        )


class SelectionPolicy(Protocol):
    """Flags (m,) of the candidates that are chosen, at most `antennas` of each station. A function of the instant alone."""

    def __call__(self, candidates: Candidates) -> NDArray[np.bool_]: ...


def best_of_each(candidates: Candidates, score: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The candidates (m,) with the highest scores of each station; among equals the lowest satellite number."""
    order = np.lexsort((candidates.satellite, -score, candidates.station))
    station = candidates.station[order]
    first = np.searchsorted(station, station)
    chosen = np.zeros(len(order), dtype=np.bool_)
    chosen[order] = np.arange(len(order)) - first < candidates.antennas[station]
    return chosen
