"""Electric load of a satellite: its bus, its computer by the CPU time that is really used, and what guests declare. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Computer:
    """Draws `idle_w` while it is on, and `peak_w` with `cpu_cores` of the host's cores busy; more does not draw more."""

    idle_w: float
    peak_w: float
    cpu_cores: float

    def power_w(self, used_cores: float) -> float:
        """At a use of the host's cores."""
        busy = min(1.0, max(0.0, used_cores) / self.cpu_cores)
        return self.idle_w + (self.peak_w - self.idle_w) * busy


@dataclass(frozen=True)
class Load:
    """`compute_w`: computer and declared loads, which end as heat there; the bus has radiators of its own."""

    bus_w: float
    compute_w: float

    @property
    def total_w(self) -> float:
        """What is drawn."""
        return self.bus_w + self.compute_w


def load(bus_w: float, computer: Computer, used_cores: float, declared_w: float, share: float) -> Load:
    """With that share of the computer granted: 0 turns it off, and less than 1 holds everything to it."""
    if share <= 0.0:
        return Load(bus_w, 0.0)
    used = min(used_cores, share * computer.cpu_cores) if share < 1.0 else used_cores
    return Load(bus_w, computer.power_w(used) + share * declared_w)


class Declared:
    """Loads that guests declare, by name, from real time `now_s` on."""

    def __init__(self, now_s: float) -> None:
        self._loads: dict[str, tuple[float, float]] = {}  # power, and when it ends
        self._mean_from_s = self._counted_to_s = now_s
        self._energy_j = 0.0  # from the one to the other

    def declare(self, name: str, power_w: float, now_s: float, for_s: float | None) -> None:
        """From now on, in place of the one before under this name; 0 W ends it."""
        self._count(now_s)
        self._loads.pop(name, None)
        if power_w > 0.0:
            self._loads[name] = power_w, math.inf if for_s is None else now_s + for_s

    def mean_w(self, now_s: float) -> float:
        """Since the last call of this."""
        self._count(now_s)
        energy_j, passed_s = self._energy_j, now_s - self._mean_from_s
        self._energy_j, self._mean_from_s = 0.0, now_s
        return energy_j / passed_s if passed_s > 0.0 else sum(power_w for power_w, _ in self._loads.values())

    def _count(self, now_s: float) -> None:
        """What those that there are have drawn until now, and which have ended."""
        since_s, self._counted_to_s = self._counted_to_s, now_s
        for power_w, until_s in self._loads.values():
            self._energy_j += power_w * max(0.0, min(until_s, now_s) - since_s)
        self._loads = {name: one for name, one in self._loads.items() if one[1] > now_s}
