"""Solar arrays, battery and electric loads of every satellite that has a process."""

from typing import Any, Literal

from pydantic import ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from .base import Number, Section, key

Platform = Literal["small", "v2-mini", "v3", "ai-sat"]

POWERED: dict[str, dict[str, float]] = {
    "small": {
        "array_w": 2_400, "battery_wh": 2_500, "bus_w": 200, "compute_idle_w": 300, "compute_peak_w": 1_000,
    },
    "v2-mini": {
        "array_w": 30_000, "battery_wh": 21_000, "bus_w": 8_000, "compute_idle_w": 500, "compute_peak_w": 2_000,
    },
    "v3": {
        "array_w": 60_000, "battery_wh": 50_000, "bus_w": 15_000, "compute_idle_w": 2_000, "compute_peak_w": 8_000,
    },
    "ai-sat": {
        "array_w": 200_000, "battery_wh": 230_000, "bus_w": 10_000, "compute_idle_w": 20_000, "compute_peak_w": 100_000,
    },
}  # fmt: skip


class Power(Section):
    """Flight software watches the battery: without this section it does not, and satellites have all the power they want."""

    platform: Platform = key(
        "What the satellites are: fills in array_w, battery_wh, bus_w, compute_idle_w and compute_peak_w where they are "
        "not given. small: a computer of 1 kW (D). v2-mini, v3: communication satellites with a computer of 2 and 8 kW (D). "
        "ai-sat: a computer of 100 kW (P: a concept).",
        source="D: the smallest",
        default="small",
    )
    array_w: Number = key(
        "What the solar arrays give when new, facing the Sun.",
        unit="W",
        source="by platform: small 2400 (C: carries the peak at 550 km), v2-mini 30000 (C: 26 to 39 kW from the published "
        "105 m2), v3 60000 (D), ai-sat 200000 (C: carries the peak at 550 km)",
        default=None,
        gt=0,
        le=1e9,
    )
    array_mount: Literal["sun", "zenith"] = key(
        "sun: the arrays follow the Sun. zenith: they are fixed on the side that faces away from the Earth.",
        source="D: as large satellites do",
        default="sun",
    )
    array_age_years: Number = key(
        "Age of the arrays at the start.", unit="years", source="D: new", default=0.0, ge=0, le=50
    )
    degradation_per_year_ratio: Number = key(
        "What the arrays lose in a year.", unit="ratio", source="D", default=0.02, ge=0, lt=1
    )
    battery_wh: Number = key(
        "Capacity of the battery when new.",
        unit="Wh",
        source="by platform (C: the peak through the longest eclipse at about 30 % depth of discharge): small 2500, "
        "v2-mini 21000, v3 50000, ai-sat 230000",
        default=None,
        gt=0,
        le=1e9,
    )
    charge_efficiency_ratio: Number = key(
        "What arrives in the battery of what is put in.",
        unit="ratio",
        source="D: 0.90 for both ways together",
        default=0.95,
        gt=0,
        le=1,
    )
    discharge_efficiency_ratio: Number = key(
        "What comes out of what is taken.",
        unit="ratio",
        source="D: 0.90 for both ways together",
        default=0.95,
        gt=0,
        le=1,
    )
    initial_charge_ratio: Number = key(
        "How full the battery is at the start.", unit="ratio", source="D: full", default=1.0, ge=0, le=1
    )
    worn_capacity_ratio: Number = key(
        "Capacity left when the battery's life is used up: (1/30000)(depth/0.30)^1.5 of it per cycle (D).",
        unit="ratio",
        source="D: the usual end of life",
        default=0.8,
        ge=0,
        le=1,
    )
    bus_w: Number = key(
        "Load of everything but the computer: always on.",
        unit="W",
        source="by platform (D): small 200, v2-mini 8000, v3 15000, ai-sat 10000",
        default=None,
        ge=0,
        le=1e9,
    )
    compute_idle_w: Number = key(
        "Load of the computer when it has nothing to do; off in safe mode.",
        unit="W",
        source="by platform (D): small 300, v2-mini 500, v3 2000, ai-sat 20000",
        default=None,
        ge=0,
        le=1e9,
    )
    compute_peak_w: Number = key(
        "Load of the computer when cpu_cores of the host are busy with what runs in the node; at least compute_idle_w.",
        unit="W",
        source="by platform: small 1000 (D), v2-mini 2000 (D), v3 8000 (D), ai-sat 100000 (P)",
        default=None,
        ge=0,
        le=1e9,
    )
    cpu_cores: Number = key(
        "Cores of the host that stand for the whole computer; a throttled satellite gets a share of them.",
        unit="cores",
        source="D: one busy program is a busy computer",
        default=1.0,
        ge=0.01,
        le=1024,
    )
    throttle_below_ratio: Number = key(
        "Below this charge services get less of the computer, the less the closer it is to safe_below_ratio.",
        unit="ratio",
        source="P: bursts deeper than 30 % cost about 25 % of a battery's life",
        default=0.70,
        gt=0,
        le=1,
    )
    safe_below_ratio: Number = key(
        "Below this charge the satellite goes to safe mode: services are stopped, the computer is off.",
        unit="ratio",
        source="D",
        default=0.30,
        ge=0,
        lt=1,
    )
    safe_until_ratio: Number = key(
        "Charge at which safe mode ends.", unit="ratio", source="D", default=0.50, gt=0, le=1
    )
    hysteresis_ratio: Number = key(
        "A charge that rises counts only once it has risen by more.",
        unit="ratio",
        source="D",
        default=0.03,
        ge=0,
        le=0.5,
    )
    least_share_ratio: Number = key(
        "Share of the computer that services keep however much they are throttled.",
        unit="ratio",
        source="D",
        default=0.25,
        gt=0,
        le=1,
    )

    @field_validator("array_w", "battery_wh", "bus_w", "compute_idle_w", "compute_peak_w", mode="before")
    @classmethod
    def _by_platform(cls, value: Any, info: ValidationInfo) -> Any:
        assert info.field_name is not None
        return POWERED[info.data.get("platform", "small")][info.field_name] if value is None else value

    @model_validator(mode="after")
    def _in_order(self) -> "Power":
        if self.compute_peak_w < self.compute_idle_w:
            raise out_of_order(self, "compute_idle_w", "at most", "compute_peak_w", "at least", "W")
        if self.safe_below_ratio >= self.throttle_below_ratio:
            raise out_of_order(self, "safe_below_ratio", "below", "throttle_below_ratio", "above")
        if self.safe_until_ratio <= self.safe_below_ratio:
            raise out_of_order(self, "safe_below_ratio", "below", "safe_until_ratio", "above")
        return self


def out_of_order(
    section: Section, low: str, under: str, high: str, over: str, unit: str = ""
) -> PydanticCustomError:
    """Two keys that are the wrong way round: said at the one that the user wrote."""
    name, words, other = (high, over, low) if high in section.model_fields_set else (low, under, high)
    bound = f"{words} {other}, {getattr(section, other):g} {unit}".rstrip()
    return PydanticCustomError("order", "must be {bound}", {"key": name, "bound": bound})
