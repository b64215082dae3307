"""What befalls nodes at instants of orbit time, decided beforehand: radiation, manoeuvres, launches, retirements.

A fault on a timetable counts from the start of the run, in real seconds; an occurrence waits for the orbits, whatever the
clock is told: none happens while they are paused, and a jump leaves out those it jumps over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable


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


@runtime_checkable
class Lasting(Source, Protocol):
    """A source whose occurrences also hold for who comes into the middle of them: at the start, and after a jump."""

    def under_way(self, t_s: float) -> Sequence[Occurrence]:
        """Those that began before an instant and end after it; they last from their own `t_s` on."""


@runtime_checkable
class Counting(Source, Protocol):
    """A source that knows how many there are without each of them: for the years that a clock may jump over."""

    def count(self, first_t_s: float, last_t_s: float) -> Counter[str]:
        """How many `between` has, by kind."""


def count(source: Source, first_t_s: float, last_t_s: float) -> Counter[str]:
    """How many occurrences of a source begin in [first_t_s, last_t_s), by kind."""
    if isinstance(source, Counting):
        return source.count(first_t_s, last_t_s)
    return Counter(one.entry["kind"] for one in source.between(first_t_s, last_t_s))


@dataclass(frozen=True, slots=True)
class Known:
    """An occurrence that has been entered, for who goes on with a run. `what`: its kind and what it acts on, in words."""

    source: str
    what: str
    t_s: float
    for_t_s: float | None


def known_of(source: str, occurrence: Occurrence) -> Known:
    """By what it is known again."""
    entry = occurrence.entry
    words = [word for key in ("nodes", "planes", "links", "parts") for word in entry.get(key, ())]
    return Known(source, " ".join([entry["kind"], *words]), occurrence.t_s, occurrence.for_t_s)


def occurrences_of(sources: Sequence[Source], first_t_s: float, last_t_s: float) -> list[Occurrence]:
    """Those that begin in [first_t_s, last_t_s) and those under way at its begin, in order of orbit time."""
    found: list[Occurrence] = []
    for source in sources:
        found += source.under_way(first_t_s) if isinstance(source, Lasting) else ()
        found += source.between(first_t_s, last_t_s)
    return sorted(found, key=lambda one: one.t_s)
