"""When satellites get out of somebody's way: independent of each other, at a rate per satellite in service.

All satellites together are one Poisson process, cut into blocks of orbit time that draw for themselves; one that is not in
service does not move. What draws is the seed and the block, however somebody asks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from skyrack.orchestrator.faults.lot import Lot
from skyrack.orchestrator.faults.occurrence import Occurrence
from skyrack.orchestrator.orbit.constants import SECONDS_PER_DAY
from skyrack.orchestrator.scenario.model.lifecycle import Manoeuvres

BLOCK_S: Final = 3600.0
CAUSE: Final = "avoidance"


class Avoidance:
    """Source. `names`: of all satellites. `in_service` says whether one is, at an instant."""

    name = "manoeuvres"

    def __init__(
        self,
        manoeuvres: Manoeuvres,
        names: Sequence[str],
        seed: int,
        in_service: Callable[[int, float], bool],
    ) -> None:
        self._manoeuvres = manoeuvres
        self._names = names
        self._seed = seed
        self._in_service = in_service

    def between(self, first_t_s: float, last_t_s: float) -> list[Occurrence]:
        """Those that begin in [first_t_s, last_t_s)."""
        found: list[Occurrence] = []
        for block in range(math.floor(first_t_s / BLOCK_S), math.ceil(last_t_s / BLOCK_S)):
            found += [one for one in self._block(block) if first_t_s <= one.t_s < last_t_s]
        return found

    def _block(self, block: int) -> list[Occurrence]:
        lot = Lot(self._seed, "manoeuvres", block)
        gap_s = SECONDS_PER_DAY / (self._manoeuvres.per_day * len(self._names))
        least_s, most_s = self._manoeuvres.for_s
        found = []
        t_s = block * BLOCK_S + lot.gap(gap_s)
        while t_s < (block + 1) * BLOCK_S:
            node, for_t_s = lot.one(range(len(self._names))), lot.between(least_s, most_s)
            if self._in_service(node, t_s):
                entry = {"kind": "manoeuvre", "nodes": [self._names[node]], "cause": CAUSE}
                found.append(Occurrence(t_s, entry, round(for_t_s, 3)))
            t_s += lot.gap(gap_s)
        return found
