"""Verdict: what a jump of a year leaves out for 12 satellites is counted in 10 s of one CPU; working each out would take 67 s.

Counts the occurrences of the preset iridium with `radiation: {preset: harsh}` over a year as `skyrack clock jump 365d` does,
and over a month both ways, whose numbers have to be the same.

    python docs/design/skipped_year.py
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from skyrack.orchestrator.environment.passes import Passes
from skyrack.orchestrator.faults.occurrence import Source, count
from skyrack.orchestrator.runtime.occurrences import COUNTED_AT_ONCE_S
from skyrack.orchestrator.scenario import load_scenario
from skyrack.orchestrator.scenario.model.radiation import Radiation
from skyrack.orchestrator.topology.geometry import Geometry
from skyrack.orchestrator.topology.sources import sources_of

DAY_S = 86_400.0
LONG_DAYS, SHORT_DAYS = 365, 30
EACH_S = 6 * 3600.0  # of orbit time at once, where each is worked out

Kinds = Counter[str]


def each(source: Source, first_t_s: float, last_t_s: float) -> Kinds:
    """Work out every one, and count them."""
    return Counter(one.entry["kind"] for one in source.between(first_t_s, last_t_s))


def counted(
    source: Source, how: Callable[[Source, float, float], Kinds], days: int, piece_s: float
) -> tuple[Kinds, float]:
    """By kind, over days from a jump at 10 s on; and the CPU time."""
    began_s, found, at_t_s, last_t_s = time.thread_time(), Kinds(), 10.0, 10.0 + days * DAY_S
    while at_t_s < last_t_s:
        next_t_s = min((at_t_s // piece_s + 1.0) * piece_s, last_t_s)
        found += how(source, at_t_s, next_t_s)
        at_t_s = next_t_s
    return found, time.thread_time() - began_s


def main() -> None:
    """Print both."""
    scenario = load_scenario("iridium").model_copy(
        update={"radiation": Radiation.model_validate({"preset": "harsh"})}
    )
    geometry = Geometry(scenario)
    for source in sources_of(geometry, Passes(geometry)):
        year, year_s = counted(source, count, LONG_DAYS, COUNTED_AT_ONCE_S)
        month, month_s = counted(source, count, SHORT_DAYS, COUNTED_AT_ONCE_S)
        told, told_s = counted(source, each, SHORT_DAYS, EACH_S)
        assert month == told, (month, told)
        print(f"{source.name}: {year.total():,} in {LONG_DAYS} days counted in {year_s:.1f} s of CPU")
        print(
            f"  {month.total():,} in {SHORT_DAYS} days: {month_s:.2f} s; worked out one by one, the same: {told_s:.2f} s"
        )


if __name__ == "__main__":
    main()
