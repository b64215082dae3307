"""User terminals: one antenna in a city, attached to one satellite at a time, never on anybody else's way."""

from typing import ClassVar

from ..names import NAME_PATTERN
from .base import Number, key
from .ground import Climate
from .links import Selection
from .places import CityPlace

PREFIX = "user"


class UserTerminal(CityPlace):
    """A terminal on the WGS84 ellipsoid, with rates of its own."""

    PREFIX: ClassVar[str] = PREFIX

    name: str = key("The terminal's name; user-london for the city london.", pattern=NAME_PATTERN)
    elevation_mask_deg: Number = key(
        "The terminal sees satellites above this elevation.",
        unit="degrees",
        source="P: Starlink 25",
        default=25.0,
        ge=0,
        lt=90,
    )
    down_bps: Number = key(
        "Rate from the satellite to the terminal.",
        unit="bit/s",
        source="P: Starlink median, 200 Mbit/s",
        default=200e6,
        ge=1e3,
        le=1e15,
    )
    up_bps: Number = key(
        "Rate from the terminal to the satellite.",
        unit="bit/s",
        source="D: a tenth of the rate down",
        default=20e6,
        ge=1e3,
        le=1e15,
    )

    access_ms: Number = key(
        "What the terminal adds to the delay of its link, each way: waiting for its slot, frames, modem.",
        unit="ms",
        source="D: light alone",
        default=0.0,
        ge=0,
        le=1000,
    )
    selection: Selection | None = key(
        "Which satellite its antenna turns to, chosen anew every epoch.",
        source="D: as links.selection says",
        default=None,
    )
    climate: Climate | None = key(
        "Whose rain it has.", source="D: the nearest of these within 500 km, else by latitude", default=None
    )
    attenuation_db: Number = key(
        "A storm that stays: added to what the weather does, both ways; any above 0 blocks an optical link.",
        unit="dB",
        source="D: none",
        default=0.0,
        ge=0,
        le=300,
    )
