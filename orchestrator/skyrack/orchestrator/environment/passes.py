"""Stays of satellites over the South Atlantic Anomaly, worked out once each, and faults of kind `saa` for them."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.environment.absences import Absences
from skyrack.orchestrator.environment.region import Region
from skyrack.orchestrator.environment.stays import Stay
from skyrack.orchestrator.environment.truth import PASS_STEP_S, anomaly_of, anomaly_passes, in_anomaly
from skyrack.orchestrator.faults.occurrence import Occurrence
from skyrack.orchestrator.orbit.constants import EARTH_FLATTENING
from skyrack.orchestrator.orbit.frames import itrf_to_geodetic
from skyrack.orchestrator.orbit.hermite import interpolate_km
from skyrack.orchestrator.topology.geometry import Geometry

BLOCK_S: Final = 21_600.0  # stays are worked out for so long at once
BY_ORBIT: Final = "orbit"  # the cause of such a fault
_MOST_BLOCKS: Final = 4_000  # that are kept
_PER_BLOCK: Final = round(BLOCK_S / PASS_STEP_S)
KNOT_S: Final = 240.0  # a cubic between is within 0.1 km of a low orbit, which goes that far in 0.02 s
_PER_KNOT: Final = round(KNOT_S / PASS_STEP_S)
_NEAR_DEG: Final = 9.5  # more than a satellite goes over the ground in half of that, at 4.4 deg a minute


class Passes:
    """Of every satellite, at any orbit time: the one account for faults, forecasts and plans. May be asked from any thread."""

    def __init__(self, geometry: Geometry) -> None:
        self._geometry = geometry
        self._region = anomaly_of(geometry)
        self._known: dict[tuple[int, int], list[Stay]] = {}

    def of(self, node: int, first_t_s: float, last_t_s: float) -> list[Stay]:
        """Stays that have a part in [first_t_s, last_t_s), whole, but cut where one goes on for all of a block."""
        number = int(first_t_s // BLOCK_S)
        while self._goes_on(node, number):
            number -= 1
        found: list[Stay] = []
        while True:
            joins = bool(found) and found[-1][1] >= number * BLOCK_S and self._goes_on(node, number)
            if number * BLOCK_S >= last_t_s and not joins:
                break
            stays = self._block(node, number)
            if joins:
                found[-1] = found[-1][0], stays[0][1]
                stays = stays[1:]
            found += stays
            number += 1
        return [stay for stay in found if stay[1] > first_t_s and stay[0] < last_t_s]

    def inside(self, node: int, t_s: float) -> bool:
        """Whether a satellite is over the anomaly at an instant."""
        stays = self._block(node, int(t_s // BLOCK_S))
        index = bisect_right(stays, t_s, key=lambda stay: stay[0]) - 1
        return index >= 0 and t_s < stays[index][1]

    def insides(self, node: int, t_s: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether it is at instants (m,), asked of the orbit itself."""
        return in_anomaly(self._geometry, node, t_s)

    def count(self, node: int, first_t_s: float, last_t_s: float) -> int:
        """How many stays begin in [first_t_s, last_t_s), as `of` has them, though none is worked out but at both ends."""
        first, last = math.ceil(first_t_s / BLOCK_S) or 1, int(last_t_s // BLOCK_S)  # some begin at 0 only
        if last <= first:
            return self._begin(node, first_t_s, last_t_s)
        edges = self._begin(node, first_t_s, first * BLOCK_S) + self._begin(node, last * BLOCK_S, last_t_s)
        flags = self._steps(node, first * BLOCK_S, last * BLOCK_S)
        whole = flags[:-1].reshape(last - first, -1).all(axis=1) & flags[_PER_BLOCK::_PER_BLOCK]
        return edges + int((flags[1:] & ~flags[:-1]).sum()) + int(whole.sum())  # they are cut at whole blocks

    def _begin(self, node: int, first_t_s: float, last_t_s: float) -> int:
        found = self.of(node, first_t_s, last_t_s) if last_t_s > first_t_s else ()
        return sum(first_t_s <= round(max(begin_t_s, 0.0), 3) < last_t_s for begin_t_s, _ in found)

    def _steps(self, node: int, first_t_s: float, last_t_s: float) -> NDArray[np.bool_]:
        """Whether it is inside at every PASS_STEP_S, both ends included, which are bounds of blocks.

        Orbits are stepped by KNOT_S; between two knots it is looked only where one of them is near: no satellite goes further.
        """
        number = round((last_t_s - first_t_s) / PASS_STEP_S)
        knots_s = np.linspace(first_t_s, last_t_s, number // _PER_KNOT + 1)
        r_km, v_km_s = self._geometry.itrf(node, knots_s)
        lat_deg, lon_deg, _ = itrf_to_geodetic(r_km)
        far = self._region.far(lat_deg, lon_deg, _NEAR_DEG)
        near = np.flatnonzero(~(far[1:] & far[:-1]))
        before, after = near[:, None], near[:, None] + 1
        fractions = np.arange(_PER_KNOT)[:, None] / _PER_KNOT
        here_km = interpolate_km(r_km[before], v_km_s[before], r_km[after], v_km_s[after], fractions, KNOT_S)
        flags = np.zeros((len(knots_s) - 1, _PER_KNOT), dtype=np.bool_)
        flags[near] = self._region.holds(*itrf_to_geodetic(here_km)[:2])
        return np.append(flags, self._region.holds(lat_deg[-1], lon_deg[-1]))

    def _goes_on(self, node: int, number: int) -> bool:
        """Whether the first stay of this block is the last of the block before, which goes on."""
        start_t_s, here = number * BLOCK_S, self._block(node, number)
        return bool(here) and here[0][0] <= start_t_s and here[0][1] - start_t_s < BLOCK_S

    def _block(self, node: int, number: int) -> list[Stay]:
        key = node, number
        if (known := self._known.get(key)) is not None:
            return known
        if len(self._known) >= _MOST_BLOCKS:
            self._known.clear()
        first_t_s = number * BLOCK_S
        found = self._known[key] = anomaly_passes(self._geometry, node, first_t_s, first_t_s + BLOCK_S)
        return found


class PassSource:
    """Every stay of the given satellites is a fault of kind `saa`: what it does is counted by radiation.

    One that goes on at orbit time 0 begins there, and one of a satellite that comes into service in its midst then. `absences`:
    who is known to be not in service when; a stay ends with the service.
    """

    name = "anomaly"

    def __init__(
        self,
        passes: Passes,
        nodes: Sequence[int],
        names: Sequence[str],
        absences: Callable[[], Absences] = Absences,
    ) -> None:
        self._passes = passes
        self._nodes = nodes
        self._names = names
        self._absences = absences

    def between(self, first_t_s: float, last_t_s: float) -> list[Occurrence]:
        """Those that begin then."""
        absences = self._absences()
        found = [
            self._occurrence(node, stay)
            for node in self._nodes
            for stay in self._stays(node, absences, first_t_s, last_t_s)
        ]
        return sorted((one for one in found if first_t_s <= one.t_s < last_t_s), key=lambda one: one.t_s)

    def count(self, first_t_s: float, last_t_s: float) -> Counter[str]:
        """How many `between` has."""
        absences, total = self._absences(), 0
        for node in self._nodes:
            for begin_t_s, end_t_s in absences.without(node, (first_t_s, last_t_s)):
                total += self._passes.count(node, begin_t_s, end_t_s)
                if begin_t_s > first_t_s:  # one that it comes into begins there
                    stays = self._passes.of(node, begin_t_s, math.nextafter(begin_t_s, math.inf))
                    total += sum(_begin_t_s(stay) < begin_t_s for stay in stays)
        return Counter({"saa": total} if total else {})

    def under_way(self, t_s: float) -> list[Occurrence]:
        """Those that have begun and go on."""
        absences = self._absences()
        return [
            self._occurrence(node, stay)
            for node in self._nodes
            for stay in self._stays(node, absences, t_s, math.nextafter(t_s, math.inf))
            if _begin_t_s(stay) < t_s
        ]

    def _stays(self, node: int, absences: Absences, first_t_s: float, last_t_s: float) -> Iterator[Stay]:
        """Parts in service of stays that have a part in [first_t_s, last_t_s), as far as they have one there themselves."""
        for stay in self._passes.of(node, first_t_s, last_t_s):
            for begin_t_s, end_t_s in absences.without(node, stay):
                if end_t_s > first_t_s and begin_t_s < last_t_s:
                    yield begin_t_s, end_t_s

    def _occurrence(self, node: int, stay: Stay) -> Occurrence:
        begin_t_s, end_t_s = (round(max(t_s, 0.0), 3) for t_s in stay)
        entry = {"kind": "saa", "nodes": [self._names[node]], "cause": BY_ORBIT}
        return Occurrence(begin_t_s, entry, round(end_t_s - begin_t_s, 3))


def _begin_t_s(stay: Stay) -> float:
    """When its fault begins."""
    return round(max(stay[0], 0.0), 3)


def dwell_ratio(region: Region, inclination_rad: float) -> float:
    """Share of the time that a circular orbit spends over a region, as the Earth turns below it; within 0.001."""
    u = (np.arange(720) + 0.5) * np.pi / 360.0
    latitude = np.arcsin(np.sin(inclination_rad) * np.sin(u))
    geodetic_deg = np.degrees(np.arctan(np.tan(latitude) / (1.0 - EARTH_FLATTENING) ** 2))
    lon_deg = np.arange(720) / 2.0 - 179.75
    return float(region.holds(geodetic_deg[:, None], lon_deg[None, :]).mean())


def anomaly_dwell(geometry: Geometry) -> list[float]:
    """That share for each satellite, in node order."""
    region = anomaly_of(geometry)
    ratios: dict[float, float] = {}
    found = []
    for element in geometry.constellation.elements:
        inclination_rad = round(float(element.satrec.inclo), 4)
        if inclination_rad not in ratios:
            ratios[inclination_rad] = dwell_ratio(region, inclination_rad)
        found.append(ratios[inclination_rad])
    return found
