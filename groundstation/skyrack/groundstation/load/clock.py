"""The one place of the generators that reads time."""

from __future__ import annotations

import time


class RunClock:
    """Real seconds since the start of the run, on CLOCK_MONOTONIC, which all namespaces of a host share."""

    def __init__(self, t0_monotonic_ns: int) -> None:
        self.t0_monotonic_ns = t0_monotonic_ns

    def run_s(self) -> float:
        """Run time now."""
        return (time.monotonic_ns() - self.t0_monotonic_ns) / 1e9
