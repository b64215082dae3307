"""What a satellite's configuration says of its power and heat. Every default is in the scenario; here all keys are given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from skyrack.node.config import ConfigError

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class PowerSettings:
    """Arrays, battery and loads; meanings as in the scenario's `power`."""

    array_w: float
    array_mount: str
    """`sun` or `zenith`."""
    array_age_years: float
    degradation_per_year_ratio: float
    battery_wh: float
    charge_efficiency_ratio: float
    discharge_efficiency_ratio: float
    initial_charge_ratio: float
    worn_capacity_ratio: float
    bus_w: float
    compute_idle_w: float
    compute_peak_w: float
    cpu_cores: float
    throttle_below_ratio: float
    safe_below_ratio: float
    safe_until_ratio: float
    hysteresis_ratio: float
    least_share_ratio: float


@dataclass(frozen=True, kw_only=True)
class ThermalSettings:
    """Radiator and limits; meanings as in the scenario's `thermal`."""

    radiator_m2: float
    emissivity: float
    sink_k: float
    heat_capacity_j_per_k: float
    initial_c: float
    sun_area_m2: float
    sun_absorptivity: float
    earth_area_m2: float
    throttle_above_c: float
    critical_c: float
    hysteresis_k: float


@dataclass(frozen=True, kw_only=True)
class FlightSettings:
    """All of it; without `thermal` the computer does not warm up."""

    power: PowerSettings
    thermal: ThermalSettings | None

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> FlightSettings:
        """From the configuration's `flight`. Raises ConfigError."""
        thermal = data.get("thermal")
        return cls(
            power=_read(PowerSettings, "power", data.get("power")),
            thermal=None if thermal is None else _read(ThermalSettings, "thermal", thermal),
        )


def _read(kind: type[T], name: str, data: object) -> T:
    if not isinstance(data, Mapping):
        raise ConfigError(f"flight.{name}: {data!r}, expected an object")
    try:
        made = kind(**data)
    except TypeError as error:
        raise ConfigError(f"flight.{name}: {error}") from error
    for field in fields(kind):  # type: ignore[arg-type]
        value = getattr(made, field.name)
        wanted: tuple[type, ...] = (str,) if field.type == "str" else (int, float)
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise ConfigError(f"flight.{name}.{field.name}: {value!r}, expected {wanted[-1].__name__}")
    return made
