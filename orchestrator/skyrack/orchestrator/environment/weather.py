"""Rain and clouds over the stations of a scenario: what share of a ground link's rate is left, each way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.environment.capacity import Capacity
from skyrack.orchestrator.environment.cloud import Clouds
from skyrack.orchestrator.environment.noise import Noise
from skyrack.orchestrator.environment.rain import BETA_PER_S, elevation_factor, fitted
from skyrack.orchestrator.environment.rain_table import climate_of
from skyrack.orchestrator.scenario.model.ground import GroundStation
from skyrack.orchestrator.scenario.model.scenario import Scenario
from skyrack.orchestrator.scenario.model.users import UserTerminal

Floats = NDArray[np.float64]
Indices = NDArray[np.int32]

_UP_DOWN_GHZ = {"ka": (28.5, 18.8), "e-band": (73.5, 73.5)}


@dataclass(frozen=True, slots=True)
class Sky:
    """What the air does to links (m,): attenuation in dB and the share of the rate that is left, both (m, 2): up, down."""

    attenuation_db: Floats
    share: Floats


class StationWeather:
    """Seeded by scenario, "weather" and the station's name; a pure function of the instant.

    `places`: what stands on the ground and has a radio or an optical terminal, at `itrf_km` (g, 3).
    """

    def __init__(
        self, scenario: Scenario, places: Sequence[GroundStation | UserTerminal], itrf_km: Floats
    ) -> None:
        weather = scenario.weather
        self._band = weather.band
        self._capacity = Capacity(weather.snr_db, weather.eta_max, weather.closure_snr_db)
        self._fixed_db = np.array([station.attenuation_db for station in places], dtype=np.float64)
        subjects = [f"{scenario.seed}, weather, {station.name}" for station in places]
        if weather.band == "optical":
            clear = np.full(len(places), weather.clear_ratio)
            self._clouds = Clouds(
                subjects, itrf_km, clear, weather.cloud_correlation_km, weather.cloud_correlation_s
            )
        elif weather.band in _UP_DOWN_GHZ:
            climates = [station.climate or climate_of(station.lat_deg, station.lon_deg) for station in places]
            self._fits = [
                [fitted(climate, ghz) for ghz in _UP_DOWN_GHZ[weather.band]] for climate in climates
            ]
            self._noises = [Noise(subject, BETA_PER_S) for subject in subjects]

    @property
    def clear(self) -> bool:
        """Whether nothing ever weakens a link."""
        return self._band == "none" and not self._fixed_db.any()

    def links(self, t_s: float, station: Indices, elevation_deg: Floats) -> Sky:
        """Over links (m,) of `station` under `elevation_deg`."""
        if self._band == "optical":
            blocked = self._clouds.blocked(t_s)[station] | (self._fixed_db[station] > 0.0)
            both = np.repeat(blocked[:, np.newaxis], 2, axis=1)
            return Sky(np.where(both, np.inf, 0.0), np.where(both, 0.0, 1.0))
        attenuation_db = np.repeat(self._fixed_db[station][:, np.newaxis], 2, axis=1)
        if self._band in _UP_DOWN_GHZ:
            factor = elevation_factor(elevation_deg)
            for place in np.unique(station).tolist():
                here, x = station == place, self._noises[place].at(t_s)
                for way, fit in enumerate(self._fits[place]):
                    attenuation_db[here, way] += fit.attenuation_db(x) * factor[here]
        return Sky(attenuation_db, self._capacity.factor(attenuation_db))
