"""Which satellites have a process."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Tag, model_validator
from pydantic_core import PydanticCustomError

from .base import Number, Section, Whole, key

ALL_UP_TO = 100  # satellites; 100 processes of some 8 MB start in seconds on a laptop
OTHERWISE_COUNT = 12


class InhabitedCount(Section):
    """So many satellites, spread evenly over the constellation."""

    count: Whole = key("How many satellites have a process.", unit="count", ge=0, le=100_000)


class Box(Section):
    """A rectangle of latitude and longitude; lon_min_deg above lon_max_deg crosses the date line."""

    lat_min_deg: Number = key("Southern edge.", unit="degrees", ge=-90, le=90)
    lat_max_deg: Number = key("Northern edge.", unit="degrees", ge=-90, le=90)
    lon_min_deg: Number = key("Western edge.", unit="degrees", ge=-180, le=180)
    lon_max_deg: Number = key("Eastern edge.", unit="degrees", ge=-180, le=180)

    @model_validator(mode="after")
    def _not_inside_out(self) -> "Box":
        if self.lat_min_deg > self.lat_max_deg:
            raise PydanticCustomError("box", "lat_min_deg is above lat_max_deg", {"key": "lat_min_deg"})
        return self


class InhabitedBox(Section):
    """The satellites above a region at the start."""

    box: Box = key("The region that holds the sub-satellite point at the start.")


def _all(value: object) -> object:
    if value != "all":
        context = {"hint": f"write {{count: {value}}}" if type(value) is int else None, "choices": ("all",)}
        message = "expected all, a list of satellite names, {count: N} or {box: {...}}"
        raise PydanticCustomError("inhabited", message, context)
    return value


def _form(value: object) -> str | None:
    if isinstance(value, dict):
        if "box" in value and "count" in value:
            return None
        return "<box>" if "box" in value else "<count>"
    if isinstance(value, Section):
        return "<box>" if isinstance(value, InhabitedBox) else "<count>"
    return "<names>" if isinstance(value, list | tuple) else "<all>"


Inhabited = Annotated[
    Annotated[Literal["all"], BeforeValidator(_all), Tag("<all>")]
    | Annotated[tuple[str, ...], Tag("<names>")]
    | Annotated[InhabitedCount, Tag("<count>")]
    | Annotated[InhabitedBox, Tag("<box>")],
    Discriminator(
        _form,
        custom_error_type="one_of",
        custom_error_message="inhabited takes either count or box, found both",
    ),
]


def default_inhabited(satellites: int) -> Literal["all"] | InhabitedCount:
    """Return who is inhabited when the scenario does not say."""
    return "all" if satellites <= ALL_UP_TO else InhabitedCount(count=OTHERWISE_COUNT)
