"""Figures as people read them."""

from __future__ import annotations

_MEASUREMENT = ("fidelity", "no ", "quiet host", "fabric")


def figure(value: float | None, unit: str) -> str:
    """A value with its unit: seconds as us, ms or s, ratios as per cent, counts with thousands."""
    if value is None:
        return "not measured"
    if value == float("inf"):
        return "beyond the scale"
    if unit == "s":
        return duration(value)
    if unit == "ratio":
        return f"{value * 100:.4g} %"
    return f"{value:,.0f} {unit.removesuffix('s') if value == 1 else unit}"


def is_on_measurement(check: str) -> bool:
    """Whether a check of this name is on the measurement itself, not a threshold of the user's."""
    return check.startswith(_MEASUREMENT)


def duration(seconds: float) -> str:
    """Three figures and the unit that fits."""
    size = abs(seconds)
    if size == 0:
        return "0 ms"
    if size < 1e-4:
        return f"{seconds * 1e6:.3g} us"
    if size < 1:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds:.3g} s" if size < 1000 else f"{seconds:,.0f} s"
