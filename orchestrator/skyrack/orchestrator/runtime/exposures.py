"""The stays ahead of every inhabited satellite: in the shadow, over the anomaly, in sight of gateways; a few at a time.

Orbit time is cut into windows of WINDOW_S, always the same ones, so that a stay is the same to the last bit whoever computes
it and when; stays that meet at a window's bound are one.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from skyrack.orchestrator.environment.eclipses import eclipses
from skyrack.orchestrator.environment.gateways import gateway_passes
from skyrack.orchestrator.environment.passes import Passes
from skyrack.orchestrator.environment.stays import Stay
from skyrack.orchestrator.topology.geometry import Geometry

WINDOW_S = 7200.0  # more than a low orbit
BACK_S = 5400.0  # longer than any stay in the shadow, 72 min in a geostationary orbit: begins are known
NEAR_S = 3600.0  # what is known never reaches less far ahead, once it is known
FAR_S = 43_200.0  # a low orbit is not over the anomaly for up to 9 h
AT_ONCE = 2  # satellites: some 10 ms of the worker where stays over the anomaly are worked out for hours


@dataclass(frozen=True, slots=True)
class Exposure:
    """Stays of one satellite in order, some that have ended among them, known up to `until_t_s`. Gateways: by station."""

    eclipses: tuple[Stay, ...]
    anomaly_passes: tuple[Stay, ...]
    gateway_passes: tuple[tuple[str, Stay], ...]
    until_t_s: float


class Exposures:
    """`extend` runs in the geometry's worker thread."""

    def __init__(self, geometry: Geometry, passes: Passes, satellites: Sequence[int]) -> None:
        self._geometry = geometry
        self._passes = passes
        self._satellites = satellites
        self._known: dict[int, Exposure] = {}

    def extend(self, t_s: float, ahead_s: float) -> bool:
        """Compute one window of some satellites that are not known to `ahead_s` beyond `t_s`; False when there are none."""
        due = [one for one in self._satellites if self._until_s(one, t_s) < t_s + ahead_s]
        due.sort(key=lambda one: self._until_s(one, t_s))
        for satellite in due[:AT_ONCE]:
            self._known[satellite] = self._extended(satellite, t_s)
        return bool(due)

    def of(self, node: int) -> Exposure | None:
        """What is known of a node; None for one on the ground, and before it has been computed."""
        return self._known.get(node)

    def _until_s(self, satellite: int, t_s: float) -> float:
        """How far a satellite is known; what ended before all that matters now is not known at all."""
        first_s = math.floor((t_s - BACK_S) / WINDOW_S) * WINDOW_S
        known = self._known.get(satellite)
        return first_s if known is None else max(first_s, known.until_t_s)

    def _extended(self, satellite: int, t_s: float) -> Exposure:
        first_s = self._until_s(satellite, t_s)
        last_s = first_s + WINDOW_S
        known = self._known.get(satellite)
        if known is None or known.until_t_s < first_s:
            known = Exposure((), (), (), first_s)
        span, since_s = (self._geometry, satellite, first_s, last_s), t_s - BACK_S
        passes: defaultdict[str, list[Stay]] = defaultdict(list)
        for station, stay in gateway_passes(*span):
            passes[station].append(stay)
        for station, _ in known.gateway_passes:
            passes[station]  # without one in this window
        joined = [
            (station, stay)
            for station, found in passes.items()
            for stay in _joined(
                [kept for name, kept in known.gateway_passes if name == station], found, since_s
            )
        ]
        return Exposure(
            _joined(known.eclipses, eclipses(*span), since_s),
            tuple(
                (start_s, min(end_s, last_s))
                for start_s, end_s in self._passes.of(satellite, since_s, last_s)
            ),
            tuple(sorted(joined, key=lambda one: (one[1][0], one[0]))),
            last_s,
        )


def _joined(before: Sequence[Stay], after: Sequence[Stay], since_s: float) -> tuple[Stay, ...]:
    """Stays of one window and of the next, but for those that ended before `since_s`; where they meet they are one."""
    kept, found = [stay for stay in before if stay[1] > since_s], list(after)
    if kept and found and kept[-1][1] == found[0][0]:
        found[0] = (kept.pop()[0], found[0][1])
    return (*kept, *found)
