"""The state of a satellite's power and heat, and how it goes on. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from skyrack.node.flight import battery
from skyrack.node.flight.load import Load
from skyrack.node.flight.settings import FlightSettings
from skyrack.node.flight.thermal import ZERO_C_K, Exposure, Radiator
from skyrack.node.flight.wear import Wear, capacity_ratio

J_PER_WH = 3600.0


@dataclass
class State:
    """Battery and heat as they are, and what has passed through since the start."""

    energy_j: float
    temperature_k: float
    wear: Wear = field(default_factory=Wear)
    in_j: float = 0.0
    """What the arrays have given."""
    out_j: float = 0.0
    """What was drawn."""
    unserved_j: float = 0.0
    """What an empty battery could not give."""


class Craft:
    """Battery, its wear, and the computer's temperature."""

    def __init__(self, settings: FlightSettings, state: State | None = None) -> None:
        power, thermal = settings.power, settings.thermal
        self._cell = battery.Cell(power.charge_efficiency_ratio, power.discharge_efficiency_ratio)
        self._new_j = power.battery_wh * J_PER_WH
        self._worn_capacity_ratio = power.worn_capacity_ratio
        self.radiator: Radiator | None = None
        self.exposure: Exposure | None = None
        initial_c = 0.0
        if thermal is not None:
            initial_c = thermal.initial_c
            self.radiator = Radiator(
                thermal.radiator_m2, thermal.emissivity, thermal.sink_k, thermal.heat_capacity_j_per_k
            )
            self.exposure = Exposure(
                thermal.sun_area_m2, thermal.sun_absorptivity, thermal.earth_area_m2, thermal.emissivity
            )
        self.state = state or State(power.initial_charge_ratio * self._new_j, initial_c + ZERO_C_K)
        self.state.wear.follow(self.charge_ratio)

    def advance(self, sun_w: float, load: Load, absorbed_w: float, dt_s: float) -> None:
        """Go on for so long, with everything constant."""
        state = self.state
        done = battery.step(self._cell, state.energy_j, self.capacity_j, sun_w, load.total_w, dt_s)
        state.energy_j = done.energy_j
        state.in_j += sun_w * dt_s - done.spilled_j
        state.out_j += load.total_w * dt_s - done.unserved_j
        state.unserved_j += done.unserved_j
        state.wear.follow(self.charge_ratio)
        state.energy_j = min(state.energy_j, self.capacity_j)
        if self.radiator is not None:
            state.temperature_k = self.radiator.after_k(
                state.temperature_k, load.compute_w + absorbed_w, dt_s
            )

    @property
    def capacity_j(self) -> float:
        """Of the battery, as worn as it is."""
        return self._new_j * capacity_ratio(self.state.wear.ratio, self._worn_capacity_ratio)

    @property
    def charge_ratio(self) -> float:
        """What is in the battery, of its capacity."""
        capacity_j = self.capacity_j
        return min(1.0, self.state.energy_j / capacity_j) if capacity_j > 0.0 else 0.0

    @property
    def temperature_c(self) -> float | None:
        """Of the computer; None where heat is not looked at."""
        return None if self.radiator is None else self.state.temperature_k - ZERO_C_K
