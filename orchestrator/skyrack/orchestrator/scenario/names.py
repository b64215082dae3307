"""Names: how they look, and how catalogue names are made into them."""

import re

LONGEST_NAME = 32  # a name is part of a Unix socket's path, which holds 107 bytes in all
NAME_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$"


def slug(text: str) -> str:
    """Return a catalogue name as a node name: 'IRIDIUM 7 [-]' is iridium-7; may be empty."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:LONGEST_NAME].strip("-")


def walker_names(prefix: str, planes: int, slots: int) -> list[str]:
    """Return plane-slot names in order: p0s00, p0s01, ...; slots take the digits the last one needs, two at least."""
    digits = max(2, len(str(slots - 1)))
    return [f"{prefix}p{plane}s{slot:0{digits}d}" for plane in range(planes) for slot in range(slots)]
