"""Where something on the ground stands: a known city brings the coordinates and the name."""

from typing import Any

from pydantic_core import PydanticCustomError

from ..stations import stations


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
        place = stations()[city]
    name = name_at(prefix, given)
    return {**({} if name is None else {"name": name}), **place, **given}
