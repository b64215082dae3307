"""Points of presence, and the fibre that joins them to gateways and to each other."""

from typing import ClassVar

from ..names import NAME_PATTERN
from .base import Number, Section, key
from .places import CityPlace

PREFIX = "pop"


class PointOfPresence(CityPlace):
    """A place on the ground with a process and fibre, but no radio."""

    PREFIX: ClassVar[str] = PREFIX

    name: str = key("The name; pop-london for the city london.", pattern=NAME_PATTERN)


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
