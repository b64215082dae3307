"""Countries by code and by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# ISO 3166-1 alpha-2 of the countries with a station that is known by name; any other goes by its code.
NAMES: Final[Mapping[str, str]] = {
    "australia": "AU",
    "brazil": "BR",
    "chile": "CL",
    "germany": "DE",
    "iceland": "IS",
    "india": "IN",
    "japan": "JP",
    "kenya": "KE",
    "mexico": "MX",
    "new-zealand": "NZ",
    "nigeria": "NG",
    "norway": "NO",
    "singapore": "SG",
    "south-africa": "ZA",
    "spain": "ES",
    "united-arab-emirates": "AE",
    "united-kingdom": "GB",
    "united-states": "US",
}


def code_of(word: str) -> str:
    """The code that a name or a code means."""
    return NAMES.get(word.lower(), word.upper())
