"""Points of presence, and the fibre that joins them to gateways and to each other."""

from typing import Any

from pydantic import model_validator

from ..names import NAME_PATTERN
from .base import Number, Section, key
from .places import with_place

PREFIX = "pop"


class PointOfPresence(Section):
    """A place on the ground with a process and fibre, but no radio."""

    name: str = key("The name; pop-london for the city london.", pattern=NAME_PATTERN)
    city: str | None = key("A known place, which brings the coordinates.", default=None)
    lat_deg: Number = key("Geodetic latitude, north positive.", unit="degrees", ge=-90, le=90)
    lon_deg: Number = key("Longitude, east positive.", unit="degrees", ge=-180, le=180)
    altitude_m: Number = key(
        "Height above the ellipsoid.", unit="m", source="D: on the ellipsoid", default=0.0, ge=-500, le=9000
    )

    @model_validator(mode="before")
    @classmethod
    def _from_city(cls, value: Any) -> Any:
        return with_place(PREFIX, value)


class Fibre(Section):
    """Fibre between two of the gateways and points of presence."""

    a: str = key("One end: a ground station or a point of presence.")
    b: str = key("The other end.")
    route_factor: Number = key(
        "How much longer the fibre is than the great circle.",
        unit="ratio",
        source="D: 1.5, between two figures of Bozkurt et al. (arXiv 1811.10737): 1.3 along the shortest conduits "
        "of the United States, 2.1 as measured across the Internet",
        default=1.5,
        ge=1,
        le=10,
    )
    rate_bps: Number = key(
        "Rate in each direction.",
        unit="bit/s",
        source="D: one wavelength of 100 Gbit/s",
        default=100e9,
        ge=1e3,
        le=1e15,
    )
