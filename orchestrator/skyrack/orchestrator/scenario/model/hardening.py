"""What the computers on board are built to withstand."""

from typing import Annotated, Literal

from pydantic import ValidationInfo, field_validator

from .base import Number, Section, key

Ecc = Literal["none", "secded"]


class Design(Section):
    """How a computer is built; each key may differ for some of the satellites."""

    ecc: Ecc = key(
        "Memory with a code that corrects one bit of 64 and detects two (secded, of 72), or without (none).",
        source="D: as servers have",
        default="secded",
    )
    scrub_period_s: Number = key(
        "How long it takes to read all of the memory and write back what was corrected.",
        unit="s of orbit time",
        source="D: once a day",
        default=86_400.0,
        ge=1,
        le=1e9,
    )
    memory_gib: Number = key(
        "Memory that particles may hit, without the code's own.",
        unit="GiB",
        source="D: as published rates are given for",
        default=64.0,
        gt=0,
        le=1e6,
    )
    drives: Number = key("Drives that may be lost.", unit="count", source="D", default=1.0, ge=0, le=1000)
    shielding_ratio: Number = key(
        "What shielding leaves of every rate and of the dose.",
        unit="ratio",
        source="D: rates are those behind the shielding there is",
        default=1.0,
        gt=0,
        le=10,
    )
    dose_rad_per_year: Number = key(
        "Dose behind the shielding in the mean over many orbits without a storm.",
        unit="rad/year",
        source="P: 150, TPU v6e in orbit",
        default=150.0,
        ge=0,
        le=1e6,
    )
    dose_rad: Number = key(
        "Dose at the start of the orbits.", unit="rad", source="D: new", default=0.0, ge=0, le=1e7
    )
    irregular_rad: Number = key(
        "Dose from which on memory gets worse: at twice as much flips and crashes are twice as often.",
        unit="rad",
        source="P: 2000, TPU v6e's memory was irregular from there on; how fast is D",
        default=2000.0,
        gt=0,
        le=1e9,
    )
    failure_rad: Number = key(
        "Dose up to which nothing is worn out.",
        unit="rad",
        source="P: 15000, TPU v6e did not fail up to there",
        default=15_000.0,
        gt=0,
        le=1e9,
    )
    wear_per_year: Number = key(
        "How often a satellite is lost to wear at twice failure_rad; in proportion to the dose beyond it.",
        unit="1/year",
        source="D",
        default=1.0,
        ge=0,
        le=1e6,
    )


class DesignOf(Design):
    """Another design for some satellites; what it does not say is as `hardening` says."""

    nodes: tuple[Annotated[str, key("A word.", min_length=1)], ...] = key(
        "Names of satellites, or selectors such as plane:p3 or random:10:satellites; the last design that names one holds.",
        min_length=1,
    )


class Hardening(Design):
    """What radiation's rates become. Without this section: those of the reference computer, which has its defaults."""

    watchdog_s: Number | None = key(
        "A node whose own process has not run for so long is killed and started again; services with `ready` and without "
        "a `watchdog_s` of their own that do not answer for so long are, too.",
        unit="s",
        source="D: no watchdogs",
        default=None,
        ge=0.5,
        le=86_400,
    )
    designs: tuple[DesignOf, ...] = key(
        "Satellites that are built otherwise; what a design does not say is as `hardening` says.",
        source="D: none",
        default=(),
    )

    @field_validator("designs", mode="after")
    @classmethod
    def _as_the_others(cls, designs: tuple[DesignOf, ...], info: ValidationInfo) -> tuple[DesignOf, ...]:
        """What a design does not say is as `hardening` says."""
        return tuple(
            design.model_copy(
                update={
                    name: value
                    for name, value in info.data.items()
                    if name in Design.model_fields and name not in design.model_fields_set
                }
            )
            for design in designs
        )
