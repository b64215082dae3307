"""Was the host quiet? One window per run second, from raw kernel figures to a verdict on the window. Pure.

The bounds stand between what was measured with `iridium` and its echo load on a two-core virtual machine, alone and
with busy loops beside it (docs/fidelity.md has the table). No single figure sees every kind of load:

- steal sees the hypervisor. It comes in ticks of 10 ms, so any tick at all breaks the bound.
- idle sees a machine without a free core: 76-97 % alone, 0-16 % with one busy loop or more. Then every wake-up waits
  for a decision of the scheduler.
- pressure sees tasks that wait: 1-9 % alone, 11-38 % with one busy loop, 50-95 % with two and four.
- the canary sees what any sleeper sees: p99 of a window 0.2-1.0 ms alone, above 1 ms in every second window with
  one busy loop or more, because the woken task waits for the end of somebody's slice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from skyrack.orchestrator.measure.stats import quantile

WINDOW_S = 1.0
MAX_STEAL_RATIO = 0.001
MAX_CANARY_P99_S = 1e-3
MAX_PRESSURE_RATIO = 0.2
MIN_IDLE_RATIO = 0.2
MAX_FABRIC_WAIT_RATIO = 0.01


@dataclass(frozen=True, slots=True)
class Window:
    """What the kernel said about run seconds [start_s, end_s).

    Ratios of the window, `steal` and `idle` of all cores together. `pressure_ratio` is None where the kernel has no
    PSI. `waits_ratio`: per process watched throughout, the part of the window it was runnable and waited for a core.
    """

    start_s: float
    end_s: float
    steal_ratio: float
    idle_ratio: float
    canary_p50_s: float
    canary_p99_s: float
    canary_max_s: float
    pressure_ratio: float | None = None
    waits_ratio: Mapping[str, float] = field(default_factory=dict)

    def noise(self) -> dict[str, str]:
        """The bounds this window breaks: kind -> figure in words; empty when it is quiet."""
        found = {}
        if self.steal_ratio >= MAX_STEAL_RATIO:
            found["steal"] = f"{self.steal_ratio:.1%}"
        if self.idle_ratio < MIN_IDLE_RATIO:
            found["no idle core"] = f"idle {self.idle_ratio:.0%}"
        if self.canary_p99_s > MAX_CANARY_P99_S:
            found["late canary"] = f"p99 {self.canary_p99_s * 1e3:.1f} ms"
        if self.pressure_ratio is not None and self.pressure_ratio > MAX_PRESSURE_RATIO:
            found["CPU pressure"] = f"{self.pressure_ratio:.0%}"
        if (wait := self.waits_ratio.get("fabric")) is None:
            found["fabric not watched"] = "it was not there throughout"
        elif wait > MAX_FABRIC_WAIT_RATIO:
            found["fabric waited for a core"] = f"{wait:.1%}"
        return found

    @property
    def quiet(self) -> bool:
        """Whether what was measured in this window can be held for or against the emulation."""
        return not self.noise()


class QuietTimes:
    """Answers whether a span of run time lies in quiet windows only. Time without a window is not quiet."""

    def __init__(self, windows: Iterable[Window]) -> None:
        self._quiet = {int(window.start_s // WINDOW_S) for window in windows if window.quiet}

    def covers(self, start_s: float, end_s: float) -> bool:
        """Whether every window that [start_s, end_s] touches is quiet."""
        return all(k in self._quiet for k in range(int(start_s // WINDOW_S), int(end_s // WINDOW_S) + 1))


@dataclass(frozen=True, slots=True)
class HostSummary:
    """The host over the whole measurement: how many windows, how many quiet, and what disturbed the others."""

    windows: int
    quiet_windows: int
    steal_ratio: float | None
    idle_ratio: float | None
    canary_p99_s: float | None
    pressure_ratio: float | None
    noise: Mapping[str, int]


def summarise(windows: Sequence[Window]) -> HostSummary:
    """Means of the ratios, the 99th percentile of the windows' canary p99, and a count of windows per kind of noise."""
    noise: dict[str, int] = {}
    for window in windows:
        for kind in window.noise():
            noise[kind] = noise.get(kind, 0) + 1
    pressures = [window.pressure_ratio for window in windows if window.pressure_ratio is not None]
    return HostSummary(
        windows=len(windows),
        quiet_windows=sum(window.quiet for window in windows),
        steal_ratio=_mean([window.steal_ratio for window in windows]),
        idle_ratio=_mean([window.idle_ratio for window in windows]),
        canary_p99_s=quantile([window.canary_p99_s for window in windows], 0.99),
        pressure_ratio=_mean(pressures),
        noise=noise,
    )


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
