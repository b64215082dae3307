"""The eclipses ahead of every inhabited satellite, computed a few satellites at a time."""

from __future__ import annotations

from collections.abc import Sequence

from skyrack.orchestrator.environment.eclipses import eclipses
from skyrack.orchestrator.topology.geometry import Geometry
from skyrack.v1 import mesh_pb2

BACK_S = 5400.0  # longer than any stay in the shadow, 72 min in a geostationary orbit: begins are known
AHEAD_S = 7200.0  # more than a low orbit
RENEW_S = 3600.0  # what is known never reaches less far ahead, once it is known
AT_ONCE = 8  # satellites: some 10 ms of the worker


class Shadows:
    """`extend` runs in the geometry's worker thread."""

    def __init__(self, geometry: Geometry, satellites: Sequence[int]) -> None:
        self._geometry = geometry
        self._satellites = satellites
        self._known: dict[int, mesh_pb2.EclipseForecast] = {}

    def extend(self, t_s: float) -> bool:
        """Compute for some satellites whose shadow is not known far enough beyond `t_s`; False when there are none."""
        due = [
            satellite
            for satellite in self._satellites
            if satellite not in self._known or self._known[satellite].until_t_s < t_s + RENEW_S
        ]
        for satellite in due[:AT_ONCE]:
            until_s = t_s + AHEAD_S
            self._known[satellite] = mesh_pb2.EclipseForecast(
                eclipses=[
                    mesh_pb2.Eclipse(start_t_s=start_s, end_t_s=end_s)
                    for start_s, end_s in eclipses(self._geometry, satellite, t_s - BACK_S, until_s)
                    if end_s > t_s
                ],
                until_t_s=until_s,
            )
        return bool(due)

    def of(self, node: int) -> mesh_pb2.EclipseForecast | None:
        """What is known of a node; None for one on the ground, and before it has been computed."""
        return self._known.get(node)
