"""What a fault does to one direction of a link, beside what the orbits and the scenario say of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Condition:
    """Added to the delay, a bound of the rate in emulated bits (None: none), a loss of its own, darkness, damage of its own.

    The default is a link as it always is.
    """

    extra_s: float = 0.0
    rate_bps: float | None = None
    loss_ratio: float | None = None
    down: bool = False
    corrupt_ratio: float | None = None


AS_ALWAYS = Condition()
