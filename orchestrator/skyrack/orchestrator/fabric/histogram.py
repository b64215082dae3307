"""A fixed-bucket histogram, cheap enough for every packet and shaped for Prometheus."""

from __future__ import annotations

from bisect import bisect_left

LATENESS_BOUNDS_S = (
    5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 1.0,
)  # fmt: skip


class Histogram:
    """Counts per bucket (the last one is +Inf), sum and maximum."""

    __slots__ = ("bounds", "counts", "max", "sum")

    def __init__(self, bounds: tuple[float, ...] = LATENESS_BOUNDS_S) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0
        self.max = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """Count `value` `times` times."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.sum += value * times
        if value > self.max:
            self.max = value
