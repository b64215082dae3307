"""What warms and cools the computer of every satellite that has a process."""

from typing import Any

from pydantic import ValidationInfo, field_validator, model_validator

from .base import Number, Section, key
from .power import Platform, out_of_order

COOLED: dict[str, dict[str, float]] = {
    "small": {"radiator_m2": 2.1, "heat_capacity_j_per_k": 50_000},
    "v2-mini": {"radiator_m2": 4.2, "heat_capacity_j_per_k": 100_000},
    "v3": {"radiator_m2": 16.8, "heat_capacity_j_per_k": 400_000},
    "ai-sat": {"radiator_m2": 200, "heat_capacity_j_per_k": 5_000_000},
}


class Thermal(Section):
    """Flight software watches the computer's temperature: C dT/dt = P + absorbed - eps sigma A (T^4 - T_sink^4)."""

    platform: Platform = key(
        "What the satellites are: fills in radiator_m2 and heat_capacity_j_per_k where they are not given.",
        source="D: the smallest, as in power",
        default="small",
    )
    radiator_m2: Number = key(
        "Area that radiates: a panel that does so from both sides counts twice.",
        unit="m2",
        source="by platform: small 2.1 (C: 60 degC at 1 kW), v2-mini 4.2 and v3 16.8 (D: likewise at their peak), "
        "ai-sat 200 (P: about 100 m2, both sides)",
        default=None,
        gt=0,
        le=1e6,
    )
    emissivity: Number = key(
        "Of the radiator.", unit="ratio", source="C: of the published figures", default=0.85, gt=0, le=1
    )
    sink_k: Number = key(
        "What the radiator sees, as the temperature of a black body: space, with the Earth and the Sun in view.",
        unit="K",
        source="C: of the published figures",
        default=220.0,
        ge=2.7,
        le=400,
    )
    heat_capacity_j_per_k: Number = key(
        "Heat capacity of computer and radiator.",
        unit="J/K",
        source="by platform (D): small 50000, v2-mini 100000, v3 400000, ai-sat 5000000",
        default=None,
        gt=0,
        le=1e12,
    )
    initial_c: Number = key(
        "Temperature at the start.", unit="degC", source="D", default=20.0, ge=-150, le=200
    )
    sun_area_m2: Number = key(
        "Area that faces the Sun, beside what sink_k stands for: takes up 1361 W/m2 (P) by its absorptivity.",
        unit="m2",
        source="D: none",
        default=0.0,
        ge=0,
        le=1e6,
    )
    sun_absorptivity: Number = key(
        "Share of sunlight that such areas take up.",
        unit="ratio",
        source="D: a white radiator",
        default=0.2,
        ge=0,
        le=1,
    )
    earth_area_m2: Number = key(
        "Area that faces the Earth, beside what sink_k stands for: takes up its infrared, 237 W/m2 (P), by the emissivity, "
        "and sunlight that it returns, 0.3 of it (P), by the absorptivity.",
        unit="m2",
        source="D: none",
        default=0.0,
        ge=0,
        le=1e6,
    )
    throttle_above_c: Number = key(
        "Above this temperature services get less of the computer, the less the closer it is to critical_c.",
        unit="degC",
        source="D",
        default=70.0,
        ge=-100,
        le=200,
    )
    critical_c: Number = key(
        "Above this temperature the satellite goes to safe mode until it has cooled to throttle_above_c less hysteresis_k.",
        unit="degC",
        source="D",
        default=85.0,
        ge=-100,
        le=250,
    )
    hysteresis_k: Number = key(
        "A temperature that falls counts only once it has fallen by more.",
        unit="K",
        source="D: 3 to 5",
        default=4.0,
        ge=0,
        le=50,
    )

    @field_validator("radiator_m2", "heat_capacity_j_per_k", mode="before")
    @classmethod
    def _by_platform(cls, value: Any, info: ValidationInfo) -> Any:
        assert info.field_name is not None
        return COOLED[info.data.get("platform", "small")][info.field_name] if value is None else value

    @model_validator(mode="after")
    def _in_order(self) -> "Thermal":
        if self.critical_c <= self.throttle_above_c:
            raise out_of_order(self, "throttle_above_c", "below", "critical_c", "above", "degC")
        return self
