"""How often radiation does what to satellites that have a process."""

from typing import Literal

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from .base import Number, Section, key

Preset = Literal["benign", "nominal", "harsh"]
_MOST = 1e6


def _rate(text: str, source: str, unit: str = "1/day") -> Number | None:
    return key(text, unit=unit, source=source, default=None, ge=0, le=_MOST)  # type: ignore[no-any-return]


class RadiationRates(Section):
    """How often each outcome comes to one satellite in the mean over many orbits without a storm.

    They are those of the reference computer, which is what `hardening` describes where it says nothing.
    """

    upset_per_day: Number | None = _rate(
        "Upsets of memory: single bits, and several at once.",
        "P: 5.5, 55 and 550 in 64 GiB, the least of published rates for nominal",
    )
    flip_per_day: Number | None = _rate(
        "Upsets that change what a process or a file has, and nobody notices.",
        "C: what memory without an error leaves of upset_per_day",
    )
    crash_per_day: Number | None = _rate(
        "Upsets that end a process.", "C: what memory without an error leaves of upset_per_day"
    )
    hang_per_day: Number | None = _rate(
        "A process stops and stays so.", "D: 0.01, 0.1 and 1, half as often as a reboot"
    )
    sefi_per_day: Number | None = _rate(
        "The whole node has to be reset.", "D: 0.02, 0.2 and 2, as the presets are meant"
    )
    ssd_per_year: Number | None = _rate(
        "A drive is lost.", "P: 0.33 for each drive, on the ISS", unit="1/year"
    )
    permanent_per_year: Number | None = _rate("The satellite is lost.", "D: 0.01", unit="1/year")


class Radiation(Section):
    """What particles do, as outcomes, not as bits. Without this section: nothing."""

    preset: Preset = key(
        "The rates that `rates` does not give: benign, nominal or harsh, each ten times the one before.",
        source="D: 0.2 reboots a day",
        default="nominal",
    )
    rates: RadiationRates = key("Rates of single outcomes.", default=RadiationRates())
    anomaly_share: Number = key(
        "Share of all events that fall into stays over the South Atlantic Anomaly.",
        unit="ratio",
        source="D: between none and the 80 % of low orbits",
        default=0.5,
        ge=0,
        lt=1,
    )
    sefi_min_s: Number = key(
        "The shortest reboot.", unit="s of orbit time", source="P: 1 to 5 min", default=60.0, gt=0, le=86_400
    )
    sefi_max_s: Number = key(
        "The longest reboot.", unit="s of orbit time", source="P: 1 to 5 min", default=300.0, gt=0, le=86_400
    )
    hang_min_s: Number = key(
        "How soon somebody on the ground ends a hang at the earliest.",
        unit="s of orbit time",
        source="D: a contact later",
        default=600.0,
        gt=0,
        le=1e7,
    )
    hang_max_s: Number = key(
        "How late at the latest.",
        unit="s of orbit time",
        source="D: half an hour",
        default=1800.0,
        gt=0,
        le=1e7,
    )

    @model_validator(mode="after")
    def _in_order(self) -> "Radiation":
        for least, most in (("sefi_min_s", "sefi_max_s"), ("hang_min_s", "hang_max_s")):
            if getattr(self, least) > getattr(self, most):
                named = least if least in self.model_fields_set else most
                other = most if named == least else least
                bound = f"at {'most' if named == least else 'least'} {other}, {getattr(self, other):g}"
                context = {"key": named, "bound": bound}
                raise PydanticCustomError("order", "must be {bound} s", context)
        return self
