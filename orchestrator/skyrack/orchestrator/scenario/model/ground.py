"""Ground stations: a preset by name, or own coordinates."""

from typing import Any, Literal

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from ..names import NAME_PATTERN
from ..stations import stations
from .base import Number, Section, Whole, key

COUNTRY_PATTERN = r"^[A-Z]{2}$"

Climate = Literal["osnabruck", "seattle", "nairobi", "miami", "singapore"]


class GroundStation(Section):
    """A gateway on the WGS84 ellipsoid."""

    name: str = key("The station's name; a known one (london) brings its coordinates.", pattern=NAME_PATTERN)
    lat_deg: Number = key("Geodetic latitude, north positive.", unit="degrees", ge=-90, le=90)
    lon_deg: Number = key("Longitude, east positive.", unit="degrees", ge=-180, le=180)
    altitude_m: Number = key(
        "Height above the ellipsoid.", unit="m", source="D: on the ellipsoid", default=0.0, ge=-500, le=9000
    )

    population: Whole | None = key(
        "People around it, its weight in background traffic.",
        unit="people",
        source="P: known stations have the approximate population of their urban area (UN World Urbanization Prospects 2018, "
        "national statistics for towns)",
        default=None,
        ge=0,
        le=10**9,
    )
    country: str | None = key(
        "Where it is, as a code of ISO 3166-1: what country:XX selects.",
        source="D: known stations have theirs",
        default=None,
        pattern=COUNTRY_PATTERN,
    )
    region: str | None = key(
        "Part of the world it is in: what region:NAME selects.",
        source="D: known stations have africa, asia, europe, north-america, oceania or south-america",
        default=None,
        pattern=NAME_PATTERN,
    )
    antennas: Whole | None = key(
        "To how many satellites it has links at once.",
        unit="count",
        source="D: as links.antennas says",
        default=None,
        ge=1,
        le=10_000,
    )
    climate: Climate | None = key(
        "Whose rain it has.",
        source="D: the nearest of these within 500 km, else by latitude",
        default=None,
    )
    attenuation_db: Number = key(
        "A storm that stays: added to what the weather does, both ways; any above 0 blocks an optical station.",
        unit="dB",
        source="D: none",
        default=0.0,
        ge=0,
        le=300,
    )

    @model_validator(mode="before")
    @classmethod
    def _from_preset(cls, value: Any) -> Any:
        """Fill in a known station's coordinates."""
        given = {"name": value} if isinstance(value, str) else value
        if not isinstance(given, dict) or "lat_deg" in given or "lon_deg" in given:
            return given
        name = given.get("name")
        if not isinstance(name, str):
            return given
        if name not in stations():
            context = {"key": "name", "name": name, "known": tuple(stations())}
            raise PydanticCustomError("station", "unknown ground station '{name}'", context)
        return {**stations()[name], **given}
