"""Fibre: which stations it joins, and how long light takes along it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skyrack.orchestrator.orbit.constants import SPEED_OF_LIGHT_KM_S
from skyrack.orchestrator.scenario.model.scenario import Scenario
from skyrack.orchestrator.topology.stations import Stations

Floats = NDArray[np.float64]

# Mean radius of the Earth (IUGG: (2a + b) / 3 of the WGS84 ellipsoid).
MEAN_RADIUS_KM = 6371.0088
# Glass slows light to about two thirds; 1 / (2/3 c) is the customary 5 us per km.
FIBRE_SPEED_KM_S = 2.0 / 3.0 * SPEED_OF_LIGHT_KM_S


def great_circle_km(
    lat_a_deg: ArrayLike, lon_a_deg: ArrayLike, lat_b_deg: ArrayLike, lon_b_deg: ArrayLike
) -> Floats:
    """Length (m,) of the great circles between places on a sphere of the mean radius, by the haversine formula.

    Within 0.6 % of the geodesic on the ellipsoid, far less than any route factor is known to.
    """
    lat_a, lon_a, lat_b, lon_b = (
        np.radians(np.asarray(angle, dtype=np.float64))
        for angle in (lat_a_deg, lon_a_deg, lat_b_deg, lon_b_deg)
    )
    half = np.sin((lat_b - lat_a) / 2) ** 2 + np.cos(lat_a) * np.cos(lat_b) * np.sin((lon_b - lon_a) / 2) ** 2
    return np.asarray(2.0 * MEAN_RADIUS_KM * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0))), dtype=np.float64)


def fibre_delay_s(length_km: ArrayLike, route_factor: ArrayLike) -> Floats:
    """One-way delay (m,) of fibre that is `route_factor` times as long as the great circle of `length_km`."""
    length, factor = (np.asarray(value, dtype=np.float64) for value in (length_km, route_factor))
    return np.asarray(factor * length / FIBRE_SPEED_KM_S, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Fibres:
    """Pairs of stations (k,), `a` < `b`, by their numbers among the stations; `delay_s` one way, `rate_bps` each way."""

    a: NDArray[np.int32]
    b: NDArray[np.int32]
    delay_s: Floats
    rate_bps: Floats

    @classmethod
    def of(cls, scenario: Scenario, stations: Stations) -> Fibres:
        """The fibre of a scenario."""
        number = {name: i for i, name in enumerate(stations.names)}
        ends = [sorted((number[fibre.a], number[fibre.b])) for fibre in scenario.fibre]
        a, b = np.array(ends, dtype=np.int32).reshape(-1, 2).T
        lat_deg, lon_deg = stations.lat_deg, stations.lon_deg
        length_km = great_circle_km(lat_deg[a], lon_deg[a], lat_deg[b], lon_deg[b])
        factor = np.array([fibre.route_factor for fibre in scenario.fibre], dtype=np.float64)
        rate_bps = np.array([fibre.rate_bps for fibre in scenario.fibre], dtype=np.float64)
        return cls(a, b, fibre_delay_s(length_km, factor), rate_bps)

    def between(self, a: int, b: int) -> int | None:
        """Which fibre joins two stations, whichever comes first; None where none does."""
        found = np.nonzero((self.a == min(a, b)) & (self.b == max(a, b)))[0]
        return int(found[0]) if len(found) else None
