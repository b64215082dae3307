"""Time spans as people write them."""

from __future__ import annotations

import re

from skyrack.orchestrator.cli.exits import USAGE, Problem

LONGEST_SPAN_S = 100 * 365.25 * 86400.0
_UNITS_S = {"": 1.0, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_SPAN = re.compile(r"([0-9]*\.?[0-9]+(?:e[+-]?[0-9]+)?)\s*([a-z]*)", re.IGNORECASE)


def parse_span_s(text: str) -> float:
    """Seconds in "90", "90s", "1.5m", "200ms", "2h". Raises Problem."""
    match = _SPAN.fullmatch(text.strip())
    if match is None or match[2].lower() not in _UNITS_S:
        raise Problem(
            f"{text!r} is not a time span", hint="for instance 30, 30s, 200ms, 5m or 2h", status=USAGE
        )
    span_s = float(match[1]) * _UNITS_S[match[2].lower()]
    if span_s > LONGEST_SPAN_S:
        raise Problem(f"{text!r} is not a time span of at most 100 years", status=USAGE)
    return span_s
