"""Numbers of faults as people write them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from skyrack.orchestrator.cli.exits import USAGE, Problem
from skyrack.orchestrator.cli.times import parse_span_s
from skyrack.orchestrator.faults.kinds import Parameter

_RATE = re.compile(r"([0-9]*\.?[0-9]+(?:e[+-]?[0-9]+)?)\s*([kMGT]?)(?:bit(?:/s|ps)?)?")
_SCALE = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_RATIO = re.compile(r"([0-9]*\.?[0-9]+(?:e[+-]?[0-9]+)?)\s*(%?)")
_FACTOR = re.compile(r"([0-9]*\.?[0-9]+(?:e[+-]?[0-9]+)?)x?")


def parse_value(parameter: Parameter, text: str) -> float:
    """What a parameter is to be, in SI units. Raises Problem."""
    if parameter.sort == "span":
        return (parse_span_s if parameter.above >= 0.0 else parse_shift_s)(text)
    return _PARSERS[parameter.sort](text)


def parse_rate_bps(text: str) -> float:
    """Bit/s in "10Mbit", "1.5Gbit/s", "250k", "1e9". Raises Problem."""
    match = _RATE.fullmatch(text.strip())
    if match is None:
        raise Problem(f"{text!r} is not a rate", hint="for instance 500kbit, 10Mbit or 1.5Gbit", status=USAGE)
    return float(match[1]) * _SCALE[match[2]]


def parse_ratio(text: str) -> float:
    """A share in "5%" or "0.05". Raises Problem."""
    match = _RATIO.fullmatch(text.strip())
    if match is None:
        raise Problem(f"{text!r} is not a share", hint="for instance 5% or 0.05", status=USAGE)
    return float(match[1]) / (100.0 if match[2] else 1.0)


def parse_shift_s(text: str) -> float:
    """A time span that may be negative: "-5s", "200ms". Raises Problem."""
    back = text.strip().startswith("-")
    return -parse_span_s(text.strip()[1:]) if back else parse_span_s(text)


def parse_whole(text: str) -> float:
    """A whole number. Raises Problem."""
    if not text.strip().isdecimal():
        raise Problem(f"{text!r} is not a whole number", hint="for instance 7", status=USAGE)
    return float(text)


def parse_factor(text: str) -> float:
    """A factor in "100" or "2.5x". Raises Problem."""
    match = _FACTOR.fullmatch(text.strip())
    if match is None:
        raise Problem(f"{text!r} is not a factor", hint="for instance 100", status=USAGE)
    return float(match[1])


_PARSERS: Final[dict[str, Callable[[str], float]]] = {
    "whole": parse_whole,
    "rate": parse_rate_bps,
    "ratio": parse_ratio,
    "factor": parse_factor,
}
