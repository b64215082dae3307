"""Time spans and instants as people write them."""

from __future__ import annotations

import re
from datetime import datetime

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


def parse_instant_s(option: str, text: str, start: datetime) -> float:
    """Orbit seconds from a number or an ISO time given as `option`. Raises Problem."""
    try:
        t_s = float(text)
    except ValueError:
        pass
    else:
        if not abs(t_s) <= LONGEST_SPAN_S:
            raise Problem(f"{option} {text!r}: not within 100 years of the start", status=USAGE)
        return t_s
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise Problem(
            f"{option} {text!r}: expected seconds or a UTC time",
            hint="for instance 90 or 2026-01-01T00:01:30Z",
            status=USAGE,
        ) from None
    if when.tzinfo is None:
        raise Problem(f"{option} {text!r} has no time zone", hint=f"write {when.isoformat()}Z", status=USAGE)
    return (when - start).total_seconds()
