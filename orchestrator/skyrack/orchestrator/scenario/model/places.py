"""Where something on the ground stands: a known city brings the coordinates and the name."""

from typing import Any, ClassVar

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from ..names import NAME_PATTERN
from ..stations import stations
from .base import Number, Section, key


def name_at(prefix: str, item: Any) -> str | None:
    """Return what an item of `users` or `pops` is called, as far as it says so: london is user-london."""
    if isinstance(item, str):
        return f"{prefix}-{item}"
    if not isinstance(item, dict):
        return None
    if isinstance(item.get("name"), str):
        return str(item["name"])
    city = item.get("city")
    return f"{prefix}-{city}" if isinstance(city, str) else None


def with_place(prefix: str, value: Any) -> Any:
    """Return an item with name and coordinates filled in from its city; own coordinates come first."""
    given = {"city": value} if isinstance(value, str) else value
    if not isinstance(given, dict):
        return given
    city, place = given.get("city"), {}
    if isinstance(city, str) and not {"lat_deg", "lon_deg"} & set(given):
        if city not in stations():
            context = {"key": "city", "name": city, "known": tuple(stations())}
            raise PydanticCustomError("station", "unknown city '{name}'", context)
        place = {key: stations()[city][key] for key in ("lat_deg", "lon_deg")}
    name = name_at(prefix, given)
    return {**({} if name is None else {"name": name}), **place, **given}


class CityPlace(Section):
    """A place on the WGS84 ellipsoid, by a known city or own coordinates; PREFIX is for the names of those by city."""

    PREFIX: ClassVar[str]

    name: str = key("The name.", pattern=NAME_PATTERN)
    city: str | None = key("A known place, which brings the coordinates.", default=None)
    lat_deg: Number = key("Geodetic latitude, north positive.", unit="degrees", ge=-90, le=90)
    lon_deg: Number = key("Longitude, east positive.", unit="degrees", ge=-180, le=180)
    altitude_m: Number = key(
        "Height above the ellipsoid.", unit="m", source="D: on the ellipsoid", default=0.0, ge=-500, le=9000
    )

    @model_validator(mode="before")
    @classmethod
    def _from_city(cls, value: Any) -> Any:
        return with_place(cls.PREFIX, value)
