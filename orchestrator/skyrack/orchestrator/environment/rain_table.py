"""How much rain weakens a slant path: ITU-R models evaluated with itur 0.4.0, five sites that stand for five climates.

Slant attenuation in dB exceeded 1, 0.1 and 0.01 % of an average year, at 40 degrees of elevation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from skyrack.orchestrator.environment.sphere import distance_km

Climate = Literal["osnabruck", "seattle", "nairobi", "miami", "singapore"]

TABLE_ELEVATION_DEG: Final = 40.0
EXCEEDED_PERCENT: Final = (1.0, 0.1, 0.01)

Exceeded = tuple[float, float, float]


class Site(NamedTuple):
    """Where a row of the table holds, and dB exceeded by frequency in GHz."""

    lat_deg: float
    lon_deg: float
    exceeded_db: Mapping[float, Exceeded]


SITES: Final[Mapping[Climate, Site]] = {
    "osnabruck": Site(52.28, 8.05, {18.8: (2.0, 4.6, 11.5), 28.5: (3.9, 9.6, 22.9), 73.5: (15.8, 32.8, 68.0)}),
    "seattle": Site(47.61, -122.33, {18.8: (1.7, 4.2, 10.7), 28.5: (3.5, 8.7, 21.3), 73.5: (14.0, 30.1, 64.0)}),
    "nairobi": Site(-1.29, 36.82, {18.8: (2.9, 9.8, 20.3), 28.5: (5.9, 19.8, 38.8), 73.5: (21.2, 59.7, 104.0)}),
    "miami": Site(25.76, -80.19, {18.8: (4.9, 13.7, 31.3), 28.5: (10.3, 28.7, 61.8), 73.5: (37.5, 89.0, 170.0)}),
    "singapore": Site(1.35, 103.82, {18.8: (6.9, 22.2, 42.7), 28.5: (14.3, 44.7, 81.0), 73.5: (50.3, 130.0, 209.0)}),
}  # fmt: skip

# Chosen by us: as far as one site's rain says something about another's, and the belts of the tropics.
NEAR_KM: Final = 500.0
EQUATORIAL_DEG: Final = 10.0
TROPICAL_DEG: Final = 30.0


def climate_of(lat_deg: float, lon_deg: float) -> Climate:
    """The climate of a place: the table's nearest site within NEAR_KM, else by latitude.

    Within 10 degrees of the equator Singapore's, within 30 Miami's, else Osnabruck's. Deserts and highlands rain less
    than that: a station's `climate` says so.
    """
    away_km = {name: distance_km(lat_deg, lon_deg, at.lat_deg, at.lon_deg) for name, at in SITES.items()}
    near = min(away_km, key=away_km.__getitem__)
    if away_km[near] <= NEAR_KM:
        return near
    if abs(lat_deg) <= EQUATORIAL_DEG:
        return "singapore"
    return "miami" if abs(lat_deg) <= TROPICAL_DEG else "osnabruck"
