"""Everything that stands on the ground, turned into TEME with the Earth: gateways, points of presence, user terminals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.orbit.frames import geodetic_to_itrf_km, up_vector
from skyrack.orchestrator.scenario.model.fibre import PointOfPresence
from skyrack.orchestrator.scenario.model.ground import GroundStation
from skyrack.orchestrator.scenario.model.scenario import Scenario
from skyrack.orchestrator.scenario.model.users import UserTerminal

Floats = NDArray[np.float64]
Kind = Literal["ground", "pop", "user"]


@dataclass(frozen=True, slots=True)
class Stations:
    """`itrf_km` (g, 3) and up vectors `up_itrf` (g, 3), with the geodetic coordinates they came from (g,).

    In node order: ground stations, user terminals, points of presence. The first `n_radio` of them, all but the points
    of presence, have an antenna and see satellites above `mask_deg` (n_radio,).
    """

    names: tuple[str, ...]
    kind: tuple[Kind, ...]
    itrf_km: Floats
    up_itrf: Floats
    lat_deg: Floats
    lon_deg: Floats
    altitude_km: Floats
    mask_deg: Floats
    n_radio: int

    @classmethod
    def of(cls, scenario: Scenario) -> Stations:
        """Those of a scenario."""
        places: tuple[GroundStation | UserTerminal | PointOfPresence, ...]
        places = (*scenario.ground, *scenario.users, *scenario.pops)
        kind: list[Kind] = ["ground"] * len(scenario.ground)
        kind += ["user"] * len(scenario.users)
        kind += ["pop"] * len(scenario.pops)
        masks_deg = [scenario.links.elevation_mask_deg] * len(scenario.ground)
        masks_deg += [user.elevation_mask_deg for user in scenario.users]
        lat_deg = np.array([place.lat_deg for place in places], dtype=np.float64)
        lon_deg = np.array([place.lon_deg for place in places], dtype=np.float64)
        altitude_km = np.array([place.altitude_m for place in places], dtype=np.float64) / 1e3
        return cls(
            tuple(place.name for place in places),
            tuple(kind),
            geodetic_to_itrf_km(lat_deg, lon_deg, altitude_km),
            up_vector(lat_deg, lon_deg),
            lat_deg,
            lon_deg,
            altitude_km,
            np.array(masks_deg, dtype=np.float64),
            len(masks_deg),
        )
