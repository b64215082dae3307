"""How satellites come and go: launches, avoidance manoeuvres, retirement."""

from typing import Annotated, Literal

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from ..names import NAME_PATTERN
from .base import Number, Section, Whole, key

LONGEST_S = 100 * 366 * 86_400.0
Word = Annotated[str, key("A word.", min_length=1)]


class LaunchLoss(Section):
    """Satellites of a launch that never get into service."""

    count: Whole = key(
        "How many of them are lost, drawn by the scenario's seed.", unit="count", ge=1, le=100_000
    )
    phase: Literal["drifting", "raising", "commissioning"] = key(
        "Each is lost as it begins this phase; a launch without drift has none but commissioning.",
        source="D: at the parking altitude, as 40 of 49 in February 2022",
        default="drifting",
    )


class Launch(Section):
    """Satellites that are launched together. Until each of them is in service it has no lasers, no radio and no process."""

    name: str = key("Its name: batch:NAME selects its satellites.", pattern=NAME_PATTERN)
    satellites: tuple[Word, ...] = key(
        "Names of satellites, or selectors such as shell:v3, plane:v3-p0, batch:1.", min_length=1
    )
    at_s: Number | None = key(
        "When it is launched, in seconds of orbit time from the start; before the start where it is negative.",
        unit="s",
        source="D: on demand, by `skyrack launch NAME`",
        default=None,
        ge=-LONGEST_S,
        le=LONGEST_S,
    )
    drift: Literal["none", "nodal"] = key(
        "none: the satellites are at their places already, and are only commissioned. nodal: they are put into one plane at "
        "parking_altitude_km and drift to theirs by the difference of nodal rates, then climb.",
        source="D: what takes weeks is over",
        default="none",
    )
    parking_altitude_km: Number = key(
        "Of nodal: where they are put.",
        unit="km",
        source="P: 210, the launch of February 2022",
        default=210.0,
        ge=120,
        le=400_000,
    )
    raising_km_per_day: Number = key(
        "Of nodal: how fast thrust raises them.", unit="km/day", source="D", default=5.0, gt=0, le=1000
    )
    commissioning_s: Number = key(
        "How long each is checked out at its place.",
        unit="s",
        source="D: a day",
        default=86_400.0,
        ge=0,
        le=LONGEST_S,
    )
    apart_s: Number = key(
        "From one satellite to the next, plane after plane; of nodal within a plane.",
        unit="s",
        source="D",
        default=60.0,
        ge=0,
        le=LONGEST_S,
    )
    loss: LaunchLoss | None = key("Those that are lost on the way.", source="D: none", default=None)

    @model_validator(mode="after")
    def _phase_there(self) -> "Launch":
        if self.loss is not None and self.drift == "none" and self.loss.phase != "commissioning":
            raise PydanticCustomError(
                "one_of",
                "loss: without drift nothing is lost {phase}: the only phase is commissioning",
                {"phase": self.loss.phase, "hint": "phase: commissioning, or drift: nodal"},
            )
        return self


class Manoeuvres(Section):
    """Satellites that get out of the way of something: their lasers to other planes are down meanwhile."""

    per_day: Number = key(
        "Of each satellite in service, per day of orbit time.",
        unit="1/day",
        source="C: 0.1, from 148,696 in half a year",
        default=0.1,
        gt=0,
        le=1000,
    )
    for_s: tuple[Number, Number] = key(
        "Least and most that slew and acquisition take, uniform between.",
        unit="s",
        source="D: 30 to 120",
        default=(30.0, 120.0),
    )

    @model_validator(mode="after")
    def _in_order(self) -> "Manoeuvres":
        least, most = self.for_s
        if not 0.0 < least <= most <= 86_400.0:
            raise PydanticCustomError(
                "one_of", "for_s: expected [least, most], above 0 and in this order", {"hint": "[30, 120]"}
            )
        return self


class Ageing(Section):
    """Satellites come to their end: of each the instant is drawn from a Weibull distribution of lives."""

    mean_years: Number = key(
        "Mean life of a satellite.", unit="years", source="D: 5", default=5.0, gt=0, le=1000
    )
    shape: Number = key(
        "Weibull's shape: above 1 the old end more often than the young.",
        unit="ratio",
        source="D: 3, with which 12 % of a fleet of 0 to 4 years end in a year; 5 to 13 % are removed (C)",
        default=3.0,
        gt=0,
        le=20,
    )
    age_years: tuple[Number, Number] = key(
        "Least and most age at the start of satellites of no launch, uniform between.",
        unit="years",
        source="D",
        default=(0.0, 4.0),
    )
    failed_ratio: Number = key(
        "Of those that end: share that fail, with everything they have, instead of being retired.",
        unit="ratio",
        source="D",
        default=0.1,
        ge=0,
        le=1,
    )

    @model_validator(mode="after")
    def _in_order(self) -> "Ageing":
        least, most = self.age_years
        if not 0.0 <= least <= most <= 1000.0:
            raise PydanticCustomError(
                "one_of", "age_years: expected [least, most], from 0 on and in this order", {"hint": "[0, 4]"}
            )
        return self


class Lifecycle(Section):
    """How satellites come and go."""

    launches: tuple[Launch, ...] = key(
        "Satellites that are not there from the start.", source="D: none", default=()
    )
    manoeuvres: Manoeuvres | None = key("Avoidance manoeuvres.", source="D: none", default=None)
    ageing: Ageing | None = key("Retirement and failure.", source="D: none", default=None)
