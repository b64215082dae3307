"""The delay of a link: light's way, and what its ends add.

    radio, laser   |a - b| / c  +  at each end: half a satellite's processing, a gateway's, a terminal's access
    fibre          length / (2/3 c)

A satellite that forwards a packet is an end of two links, so its processing counts once; where a path begins or ends at a
satellite, half of it counts. Constants, the same both ways.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.orbit.constants import SPEED_OF_LIGHT_KM_S
from skyrack.orchestrator.scenario.model.scenario import Scenario
from skyrack.orchestrator.topology.fibre import Fibres

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


class LinkDelays:
    """Of a scenario with `n_sat` satellites, the other nodes being its stations."""

    def __init__(self, scenario: Scenario, n_sat: int, fibres: Fibres) -> None:
        links, self._n_sat = scenario.links, n_sat
        ends_ms = [
            *[links.satellite_processing_ms / 2.0] * n_sat,
            *[links.gateway_processing_ms] * len(scenario.ground),
            *[user.access_ms for user in scenario.users],
            *[0.0] * len(scenario.pops),
        ]
        self._end_s = np.array(ends_ms, dtype=np.float64) / 1e3
        self._ends_add = bool(self._end_s.any())
        self._n_nodes = len(ends_ms)
        keys = (fibres.a.astype(np.int64) + n_sat) * self._n_nodes + fibres.b + n_sat
        order = np.argsort(keys)
        self._fibre_keys, self._fibre_s = keys[order], fibres.delay_s[order]

    def link_s(self, positions_km: Floats, a: Indices, b: Indices) -> Floats:
        """Delays (m,) of links between nodes at positions (n_nodes, 3) of one instant."""
        line = positions_km[a] - positions_km[b]
        light_s: Floats = np.sqrt(np.einsum("...i,...i->...", line, line)) / SPEED_OF_LIGHT_KM_S
        return self._with_constants(light_s, a, b)

    def constant_s(self, a: int, b: int) -> tuple[bool, float]:
        """Whether light goes straight from `a` to `b`, and what their link adds; all of it when it does not."""
        pair = np.array([min(a, b)]), np.array([max(a, b)])
        fibre = self._fibre(*pair)
        constant_s = float(self._with_constants(np.zeros(1), *pair)[0])
        return fibre is None or int(fibre[0]) < 0, constant_s

    def _with_constants(self, light_s: Floats, a: Indices, b: Indices) -> Floats:
        if self._ends_add:
            light_s = light_s + self._end_s[a] + self._end_s[b]
        if (fibre := self._fibre(a, b)) is not None:
            light_s = np.where(fibre >= 0, self._fibre_s[fibre], light_s)
        return light_s

    def _fibre(self, a: Indices, b: Indices) -> Indices | None:
        """Which fibre each link is, -1 for none; None where none of all is."""
        if not len(self._fibre_keys) or not (np.minimum(a, b) >= self._n_sat).any():
            return None
        keys = np.minimum(a, b) * self._n_nodes + np.maximum(a, b)
        found = np.minimum(np.searchsorted(self._fibre_keys, keys), len(self._fibre_keys) - 1)
        return np.where(self._fibre_keys[found] == keys, found, -1)
