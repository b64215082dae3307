"""The outcomes of radiation: how often each comes to a satellite, by preset and design, and which fault it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from skyrack.orchestrator.environment.dose import YEAR_S, Storm, dose_rad, irregularity, wear
from skyrack.orchestrator.environment.hardening import REFERENCE, memory_rates
from skyrack.orchestrator.scenario.model.hardening import Design
from skyrack.orchestrator.scenario.model.radiation import Preset, Radiation

DAY_S: Final = 86_400.0
FILE_RATIO: Final = 0.2  # of flips, those in files that memory holds; the rest is in what programs have. D
MESSAGE_RATIO: Final = 0.1  # of flips, those in packets that wait to be sent. D

Outcome = Literal["flip", "crash", "hang", "sefi", "ssd", "permanent"]
OUTCOMES: Final[tuple[Outcome, ...]] = ("flip", "crash", "hang", "sefi", "ssd", "permanent")
# Upsets that are corrected are counted and are no faults.
KIND_OUTCOMES: Final[Mapping[str, Outcome]] = {
    "flip-memory": "flip", "flip-file": "flip", "flip-message": "flip", "crash": "crash", "hang": "hang", "sefi": "sefi",
    "fsync-fail": "ssd", "lost": "permanent",
}  # fmt: skip

_SCALE: Final[Mapping[Preset, float]] = {"benign": 0.1, "nominal": 1.0, "harsh": 10.0}
UPSETS_PER_DAY: Final = 55.0  # P: the least of published rates, 55 to 222,000 in 64 GiB
SEFIS_PER_DAY: Final = 0.2  # D: parameters.md's nominal preset
HANGS_PER_DAY: Final = 0.1  # D
SSDS_PER_YEAR: Final = 0.33  # P: of a drive on the ISS; no preset changes what was measured
PERMANENT_PER_YEAR: Final = 0.01  # D


@dataclass(frozen=True, slots=True)
class Stream:
    """One cause of an outcome: events that come `per_s` at intensity 1 and grow with a `power` of it, and with a dose."""

    name: str
    outcome: str
    per_s: float
    power: int = 1
    by_dose: Literal["", "irregularity", "wear"] = ""

    def growth(self, design: Design, storms: Sequence[Storm], t_s: float) -> float:
        """What the dose at an instant multiplies the rate by; it never falls."""
        if not self.by_dose:
            return 1.0
        dose = dose_rad(design, t_s, storms)
        return irregularity(design, dose) if self.by_dose == "irregularity" else wear(design, dose)


@dataclass(frozen=True)
class Exposed:
    """A satellite. `outside`, `inside`: the intensity without a storm, elsewhere and over the anomaly; 1 in the mean.

    `upsets`: those that are corrected.
    """

    node: int
    name: str
    design: Design
    outside: float
    inside: float
    upsets: Stream
    streams: tuple[Stream, ...]
    radiation: Radiation


def exposed(node: int, name: str, radiation: Radiation, design: Design, dwell: float) -> Exposed:
    """`dwell`: the share of the time that the satellite is over the anomaly."""
    share = max(radiation.anomaly_share, dwell)  # over the anomaly it is never better than elsewhere
    outside = (1.0 - share) / (1.0 - dwell)
    inside = share / dwell if dwell else outside
    upsets, streams = streams_of(radiation, design)
    return Exposed(node, name, design, outside, inside, upsets, streams, radiation)


def streams_of(radiation: Radiation, design: Design) -> tuple[Stream, tuple[Stream, ...]]:
    """Corrected upsets, and everything that is a fault."""
    rates, scale, behind = radiation.rates, _SCALE[radiation.preset], design.shielding_ratio

    def per_s(given: float | None, otherwise: float, span_s: float) -> float:
        return behind * (otherwise if given is None else given) / span_s

    upsets = per_s(rates.upset_per_day, UPSETS_PER_DAY * scale, DAY_S)
    here = memory_rates(design, upsets)
    one, reference = memory_rates(design, 1.0), memory_rates(REFERENCE, 1.0)
    flips, crashes = here.flips, here.crashes
    if rates.flip_per_day is not None:
        flips = behind * rates.flip_per_day / DAY_S * one.flips / reference.flips
    if rates.crash_per_day is not None:
        crashes = behind * rates.crash_per_day / DAY_S * one.crashes / reference.crashes
    return Stream("upset", "upset", here.corrected), (
        Stream("flip", "flip", flips, by_dose="irregularity"),
        Stream("crash", "crash", crashes, by_dose="irregularity"),
        Stream("pair", "crash", here.pairs, power=2, by_dose="irregularity"),
        Stream("hang", "hang", per_s(rates.hang_per_day, HANGS_PER_DAY * scale, DAY_S)),
        Stream("sefi", "sefi", per_s(rates.sefi_per_day, SEFIS_PER_DAY * scale, DAY_S)),
        Stream("ssd", "ssd", design.drives * per_s(rates.ssd_per_year, SSDS_PER_YEAR, YEAR_S)),
        Stream("permanent", "permanent", per_s(rates.permanent_per_year, PERMANENT_PER_YEAR, YEAR_S)),
        Stream("wear", "permanent", design.wear_per_year / YEAR_S, power=0, by_dose="wear"),
    )


def entry_of_outcome(
    one: Exposed, outcome: str, share: float, draw: int
) -> tuple[dict[str, Any], float | None]:
    """The fault it is, and how long it lasts in orbit seconds. `share` and `draw`: drawn for it."""
    entry: dict[str, Any] = {"nodes": [one.name], "cause": f"radiation: {outcome}"}
    radiation = one.radiation
    match outcome:
        case "flip":
            message = share < FILE_RATIO + MESSAGE_RATIO
            kind = "flip-file" if share < FILE_RATIO else "flip-message" if message else "flip-memory"
            return {"kind": kind, **entry, "draw": draw}, None
        case "crash":
            return {"kind": "crash", **entry, "draw": draw}, None
        case "hang":
            lasts_s = radiation.hang_min_s + share * (radiation.hang_max_s - radiation.hang_min_s)
            return {"kind": "hang", **entry, "draw": draw}, round(lasts_s, 3)
        case "sefi":
            lasts_s = radiation.sefi_min_s + share * (radiation.sefi_max_s - radiation.sefi_min_s)
            return {"kind": "sefi", **entry}, round(lasts_s, 3)
        case "ssd":
            return {"kind": "fsync-fail", **entry}, None
        case _:
            return {"kind": "lost", **entry}, None
