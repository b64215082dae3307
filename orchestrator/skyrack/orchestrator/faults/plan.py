"""Which faults are decided beforehand: those on a timetable, those that campaigns draw, and occurrences. Pure.

schedule, campaigns --atlas, seed--> drafts, each with the run second at which it begins, in order of time
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from skyrack.orchestrator.faults.atlas import Atlas
from skyrack.orchestrator.faults.campaign import Campaign, draw
from skyrack.orchestrator.faults.fault import Draft, Planned
from skyrack.orchestrator.faults.lot import Lot
from skyrack.orchestrator.faults.occurrence import Occurrence
from skyrack.orchestrator.faults.problem import FaultProblem, Unknown
from skyrack.orchestrator.faults.request import read_draft

BY_SCENARIO = "scenario"


@dataclass(frozen=True, slots=True)
class Timetable:
    """What a scenario says of faults: entries as requests have them with `at_s` in run seconds, and campaigns."""

    schedule: Sequence[Mapping[str, Any]] = ()
    campaigns: Sequence[Campaign] = ()


def planned(timetable: Timetable, atlas: Atlas, seed: int) -> list[Planned]:
    """All of them, in order of time. Raises FaultProblem; the text says which."""
    faults = [
        Planned(float(entry["at_s"]), _at("schedule", index, entry, atlas, seed))
        for index, entry in enumerate(timetable.schedule)
    ]
    for index, campaign in enumerate(timetable.campaigns):
        try:
            faults += draw(campaign, atlas, seed)
        except (FaultProblem, Unknown) as problem:
            raise FaultProblem(f"faults.campaigns item {index + 1}: {problem}") from problem
    return in_order(faults)


def scheduled(index: int, entry: Mapping[str, Any], atlas: Atlas, seed: int) -> Draft:
    """Entry `index` of the schedule. Raises FaultProblem, Unknown."""
    asked = {"cause": BY_SCENARIO, **{key: value for key, value in entry.items() if key != "at_s"}}
    return read_draft(asked, atlas, Lot(seed, "schedule", index))


def drafted(occurrence: Occurrence, atlas: Atlas, seed: int) -> Draft:
    """What an occurrence is as a fault, but for how long. Raises FaultProblem, Unknown."""
    name = f"{occurrence.entry['kind']} at {occurrence.t_s}"
    return read_draft(occurrence.entry, atlas, Lot(seed, "occurrence", name))


def in_order(faults: Iterable[Planned]) -> list[Planned]:
    """By the time they begin; at one instant, as they were given."""
    return sorted(faults, key=lambda fault: fault.at_s)


def _at(key: str, index: int, entry: Mapping[str, Any], atlas: Atlas, seed: int) -> Draft:
    try:
        return scheduled(index, entry, atlas, seed)
    except (FaultProblem, Unknown) as problem:
        raise FaultProblem(f"faults.{key} item {index + 1}: {problem}") from problem
