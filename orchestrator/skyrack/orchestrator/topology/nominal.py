"""What a direction of a link is built for, before weather and faults.

    laser    links.laser_rate_bps
    ground   up to the satellite and down: links.uplink_rate_bps and downlink_rate_bps, a terminal's up_bps and down_bps
    fibre    its rate_bps

Epochs carry shares: of the laser rate for lasers, of links.ground_rate_bps for all others.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.scenario.model.scenario import Scenario
from skyrack.orchestrator.topology.fibre import Fibres


class NominalRates:
    """Of a scenario with `n_sat` satellites, the other nodes being its stations.

    `up_down` (n_radio, 2): shares of stations with an antenna; `fibre_share` (k,): of each fibre. `differ`: whether any
    station's is not 1.
    """

    def __init__(self, scenario: Scenario, n_sat: int, fibres: Fibres) -> None:
        links = scenario.links
        self._laser_bps, self._ground_bps, self._n_sat = links.laser_rate_bps, links.ground_rate_bps, n_sat
        gateway = (
            links.uplink_rate_bps or self._ground_bps,
            links.downlink_rate_bps or self._ground_bps,
        )
        radio = [gateway] * len(scenario.ground) + [(user.up_bps, user.down_bps) for user in scenario.users]
        self.up_down: NDArray[np.float64] = (
            np.array(radio, dtype=np.float64).reshape(-1, 2) / self._ground_bps
        )
        self.differ = bool((self.up_down != 1.0).any())
        self.fibre_share: NDArray[np.float64] = fibres.rate_bps / self._ground_bps
        self._fibres = fibres

    def of_bps(self, src: int, dst: int) -> float:
        """The rate from one node to another that it is linked to."""
        low, high = min(src, dst), max(src, dst)
        if high < self._n_sat:
            return self._laser_bps
        if low < self._n_sat:
            return float(self.up_down[high - self._n_sat, 0 if src == high else 1]) * self._ground_bps
        fibre = self._fibres.between(low - self._n_sat, high - self._n_sat)
        return self._ground_bps if fibre is None else float(self._fibres.rate_bps[fibre])
