"""Amounts of data as people write them."""

from __future__ import annotations

import re
from fractions import Fraction

from skyrack.orchestrator.cli.exits import USAGE, Problem

MOST_BYTES = 1 << 60
_PREFIXES = "kMGTPE"
_UNITS_BYTES = {"": 1, "B": 1}
_UNITS_BYTES |= {f"{prefix}B": 1000 ** (i + 1) for i, prefix in enumerate(_PREFIXES)}
_UNITS_BYTES |= {f"{prefix.upper()}iB": 1024 ** (i + 1) for i, prefix in enumerate(_PREFIXES)}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?(?:e[0-9]{1,2})?)\s*([A-Za-z]*)")


def parse_size_bytes(text: str) -> int:
    """Bytes in "40GB" (10^9), "512MiB" (2^20), "1.5 TB", "1e9". Raises Problem."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise Problem(f"{text!r} is not a size", hint="for instance 40GB, 512MiB or 1.5TB", status=USAGE)
    unit = "kB" if match[2] == "KB" else match[2]
    if unit not in _UNITS_BYTES:
        hint = "units are B, kB, MB, GB, TB, PB, EB and KiB, MiB, GiB, TiB, PiB, EiB"
        if unit.endswith(("b", "bit", "bits")):
            hint = f"sizes are bytes, with a capital B; {hint}"
        raise Problem(f"{text!r}: unknown unit {match[2]!r}", hint=hint, status=USAGE)
    size = Fraction(match[1]) * _UNITS_BYTES[unit]
    if size.denominator != 1:
        raise Problem(f"{text!r} is not a whole number of bytes", status=USAGE)
    if not 0 < size <= MOST_BYTES:
        raise Problem(f"{text!r}: expected 1 byte to 1 EiB", status=USAGE)
    return int(size)


def size_text(size_bytes: float) -> str:
    """Bytes with the largest decimal unit that leaves at least 1: "40 GB"."""
    for i in range(len(_PREFIXES), 0, -1):
        if size_bytes >= 1000**i:
            return f"{size_bytes / 1000**i:.4g} {_PREFIXES[i - 1]}B"
    return f"{size_bytes:g} B"
