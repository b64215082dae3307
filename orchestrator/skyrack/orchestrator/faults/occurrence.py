"""What befalls nodes at instants of orbit time, decided beforehand: radiation, manoeuvres, launches, retirements.

A fault on a timetable counts from the start of the run, in real seconds; an occurrence waits for the orbits, whatever the
clock is told: none happens while they are paused, and a jump leaves out those it jumps over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Occurrence:
    """`entry`: a fault as a request over the API has it, with its cause, but for its duration.

    `for_t_s`: how long it lasts, in orbit seconds; None for as its kind says.
    """

    t_s: float
    entry: Mapping[str, Any]
    for_t_s: float | None = None


class Source(Protocol):
    """Knows what is to befall nodes. `name`: of what comes from it, one word."""

    name: str

    def between(self, first_t_s: float, last_t_s: float) -> Sequence[Occurrence]:
        """Those at instants in [first_t_s, last_t_s), in their order: a function of scenario and seed, however it is cut."""
