"""The way of a satellite from its launch into service, as instants after the launch.

    launch --> drifting --> raising --> commissioning --> in service
               parking      thrust      checked out       lasers acquire, processes start

All of a launch are put into one plane at the parking altitude, ahead of the first plane that is to be filled. Each plane's
satellites wait there until the difference of nodal rates has carried them so far that the rest of it is done while they climb
(precession.py), so the planes are filled one after the other; within a plane one satellite follows the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from skyrack.orchestrator.lifecycle.precession import relative_rate_deg_day
from skyrack.orchestrator.orbit.constants import SECONDS_PER_DAY


class Phase(StrEnum):
    """Where a satellite is on its way."""

    NOT_LAUNCHED = "not launched"
    DRIFTING = "drifting"
    RAISING = "raising"
    COMMISSIONING = "commissioning"
    IN_SERVICE = "in service"


@dataclass(frozen=True, slots=True)
class Passage:
    """When, in seconds after the launch, a satellite ends to drift, is at its altitude, and is in service."""

    raising_s: float
    commissioning_s: float
    service_s: float

    def begins_s(self) -> dict[Phase, float]:
        """When each phase begins, of those that it has."""
        begins = (0.0, self.raising_s, self.commissioning_s, self.service_s)
        phases = (Phase.DRIFTING, Phase.RAISING, Phase.COMMISSIONING)
        found = {
            phase: start_s
            for phase, start_s, end_s in zip(phases, begins, begins[1:], strict=False)
            if start_s < end_s
        }
        return found | {Phase.IN_SERVICE: self.service_s}

    def phase(self, after_s: float) -> Phase:
        """Where it is `after_s` seconds after its launch."""
        if after_s < 0.0:
            return Phase.NOT_LAUNCHED
        return max((start_s, phase) for phase, start_s in self.begins_s().items() if start_s <= after_s)[1]


@dataclass(frozen=True, slots=True)
class Climb:
    """From the parking orbit to a shell: altitudes, inclination, and how fast thrust raises."""

    parking_km: float
    altitude_km: float
    inclination_deg: float
    raising_km_day: float


def commissioned(planes: Sequence[Hashable], commissioning_s: float, apart_s: float) -> list[Passage]:
    """Of satellites in these planes that are at their places already: in order of planes, `apart_s` from one to the next."""
    rank = {plane: number for number, plane in enumerate(dict.fromkeys(planes))}
    order = sorted(range(len(planes)), key=lambda index: rank[planes[index]])
    place = {index: number for number, index in enumerate(order)}
    return [Passage(0.0, 0.0, commissioning_s + place[index] * apart_s) for index in range(len(planes))]


def drifted(raan_deg: Sequence[float], climb: Climb, commissioning_s: float, apart_s: float) -> list[Passage]:
    """Of satellites that are to be in planes with these ascending nodes, at one instant; the first plane waits for nothing."""
    rate_deg_day = relative_rate_deg_day(climb.parking_km, climb.altitude_km, climb.inclination_deg)
    if not rate_deg_day:
        raise ValueError("nothing drifts at this inclination")
    wait_deg = waits_deg(raan_deg, westward=rate_deg_day < 0.0)
    raised_s = (climb.altitude_km - climb.parking_km) / climb.raising_km_day * SECONDS_PER_DAY
    followed: dict[float, int] = defaultdict(int)
    passages = []
    for deg in wait_deg:
        raising_s = deg / abs(rate_deg_day) * SECONDS_PER_DAY + followed[deg] * apart_s
        followed[deg] += 1
        there_s = raising_s + raised_s
        passages.append(Passage(raising_s, there_s, there_s + commissioning_s))
    return passages


def waits_deg(raan_deg: Sequence[float], *, westward: bool) -> list[float]:
    """How far each satellite drifts before it is raised, when the launch goes where the longest wait is shortest."""
    turned = [round((-deg if westward else deg) % 360.0, 9) % 360.0 for deg in raan_deg]
    planes = sorted(set(turned))
    gaps = [(after - before) % 360.0 for before, after in zip([planes[-1], *planes], planes, strict=False)]
    first = planes[gaps.index(max(gaps))]
    return [round((deg - first) % 360.0, 9) for deg in turned]
