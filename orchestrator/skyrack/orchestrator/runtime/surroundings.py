"""What satellites are exposed to, and what their software is told of it.

truth.py ------ beta, country, Sun ----------> surroundings   true: for the model of the hardware
storms.py ----- factor, ordered stays -------> surroundings
exposures.py -- stays ahead --+--------------> surroundings
                              '-- forecast.py --> shadow, anomaly, gateways   with an error: for software
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skyrack.orchestrator.environment.countries import countries_at
from skyrack.orchestrator.environment.forecast import Forecaster
from skyrack.orchestrator.environment.passes import Passes
from skyrack.orchestrator.environment.stays import united
from skyrack.orchestrator.environment.sun import sun_at
from skyrack.orchestrator.environment.truth import truth_at
from skyrack.orchestrator.runtime.exposures import BACK_S, FAR_S, NEAR_S, Exposures
from skyrack.orchestrator.runtime.nodes import NodeState
from skyrack.orchestrator.runtime.storms import Storms
from skyrack.orchestrator.topology.epoch import Epoch
from skyrack.orchestrator.topology.geometry import Geometry
from skyrack.v1 import control_pb2, mesh_pb2
from skyrack.v1.kinds import NODE_KINDS

GATEWAY = NODE_KINDS["ground"]
GATEWAYS_AHEAD_S = 7200.0  # passes that begin later are not told: there may be many stations
FAR_PIECES = 100  # of a look at the hours ahead, once per epoch: half a second of the worker


class Surroundings:
    """Of `satellites`.

    `compute`, `extend` and `extend_far` run in the geometry's worker thread.
    """

    def __init__(
        self,
        geometry: Geometry,
        passes: Passes,
        satellites: Sequence[int],
        forecaster: Forecaster,
        storms: Storms,
    ) -> None:
        self._geometry = geometry
        self._satellites = satellites
        self._forecaster = forecaster
        self._storms = storms
        self._exposures = Exposures(geometry, passes, satellites)
        self._now: dict[int, mesh_pb2.Surroundings] = {}
        self._t_s = 0.0
        self._far_pieces = 0

    def compute(self, epoch: Epoch, t_s: float) -> None:
        """Bring everything but what lies ahead up to `t_s`; the Sun to the start of the epoch."""
        self._t_s, self._far_pieces = t_s, FAR_PIECES
        if not self._satellites:
            return
        truth, here = truth_at(self._geometry, t_s), np.array(self._satellites)
        sun_itrf = self._geometry.itrf_of(sun_at(self._geometry, epoch.t0_s), epoch.t0_s).tolist()
        country = countries_at(truth.lat_deg[here], truth.lon_deg[here])
        told = zip(self._satellites, truth.beta_deg[here].tolist(), country.tolist(), strict=True)
        self._now = {
            node: mesh_pb2.Surroundings(beta_deg=beta_deg, sun_itrf=sun_itrf, country=code)
            for node, beta_deg, code in told
        }

    def extend(self) -> bool:
        """Look at the next hour of a few satellites; False when all are known so far."""
        return self._exposures.extend(self._t_s, NEAR_S)

    def extend_far(self) -> bool:
        """Look at later hours of a few satellites; False when that is enough for this epoch."""
        self._far_pieces -= 1
        return self._far_pieces >= 0 and self._exposures.extend(self._t_s, FAR_S)

    def add_to(self, update: control_pb2.NodeUpdate, node: NodeState) -> None:
        """What a satellite is told; nothing for what is on the ground."""
        if (now := self._now.get(node.index)) is None:
            return
        truth, t_s = update.surroundings, self._t_s
        truth.CopyFrom(now)
        truth.storm_factor = self._storms.now.factor(node.index)
        if (exposure := self._exposures.of(node.index)) is None:
            return
        until_s, told = exposure.until_t_s, self._forecaster.stays
        truth.since_t_s = t_s - BACK_S
        truth.until_t_s = update.shadow.until_t_s = update.anomaly.until_t_s = until_s
        for start_s, end_s in exposure.eclipses:
            if end_s > truth.since_t_s:
                truth.eclipses.add(start_t_s=start_s, end_t_s=end_s)
        ordered = self._storms.spells.stays(node.index)
        over = [(start_s, min(end_s, until_s)) for start_s, end_s in ordered if start_s < until_s]
        for start_s, end_s in united(exposure.anomaly_passes, over):
            if end_s > t_s:
                truth.anomaly_passes.add(start_t_s=start_s, end_t_s=end_s)
        for start_s, end_s in told("eclipse", node.name, exposure.eclipses, t_s, until_s):
            update.shadow.eclipses.add(start_t_s=start_s, end_t_s=end_s)
        for start_s, end_s in told("anomaly", node.name, exposure.anomaly_passes, t_s, until_s):
            update.anomaly.passes.add(start_t_s=start_s, end_t_s=end_s)
        for station, stay in exposure.gateway_passes:
            if stay[0] < t_s + GATEWAYS_AHEAD_S:
                between = f"{node.name}, {station}"
                for start_s, end_s in told("contact", between, [stay], t_s, until_s):
                    update.gateways.add(peer=station, kind=GATEWAY, start_t_s=start_s, end_t_s=end_s)
