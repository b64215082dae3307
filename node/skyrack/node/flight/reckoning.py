"""Battery, heat and governor of a satellite along orbit time. Pure: knowledge and use are handed in.

shadows that are known --> stretches of a minute at most --> sun, load --> Craft --> Governor --> share of the next one
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from skyrack.node.flight.array import Array, turned, zenith_cos
from skyrack.node.flight.craft import Craft, State
from skyrack.node.flight.governor import Decision, Governor, Limits, Mode
from skyrack.node.flight.load import Computer, Load, load
from skyrack.node.flight.settings import FlightSettings
from skyrack.node.flight.sky import Sky, Stretch
from skyrack.node.knowledge import Knowledge
from skyrack.node.position import OutsideEphemerisError

LONGEST_STEP_S = 60.0  # of orbit time: the governor decides at least so often
_OVER_THE_TERMINATOR = 0.0
_NO_ALTITUDE_KM = 6928.0  # where the position is not known any more: 550 km up


@dataclass(frozen=True)
class Readings:
    """How it is now."""

    t_s: float
    decision: Decision
    charge_ratio: float
    wear_ratio: float
    temperature_c: float | None
    sun_w: float
    load_w: float
    used_cores: float
    declared_w: float
    lit: bool | None
    in_j: float
    out_j: float
    unserved_j: float


@dataclass(frozen=True)
class Use:
    """What draws power beside the bus: cores of the host that the node uses, and what guests declare."""

    cores: float
    declared_w: float


class Reckoning:
    """Where it is in orbit time (None before the first `advance`), and how it is there."""

    def __init__(self, settings: FlightSettings) -> None:
        power, thermal = settings.power, settings.thermal
        self._settings = settings
        self.at_t_s: float | None = None
        self.craft = Craft(settings)
        self.computer = Computer(power.compute_idle_w, power.compute_peak_w, power.cpu_cores)
        self._array = Array(
            power.array_w, power.array_mount, power.array_age_years, power.degradation_per_year_ratio
        )
        self._governor = Governor(
            Limits(
                power.throttle_below_ratio,
                power.safe_below_ratio,
                power.safe_until_ratio,
                power.hysteresis_ratio,
                power.least_share_ratio,
                thermal.throttle_above_c if thermal else None,
                thermal.critical_c if thermal else None,
                thermal.hysteresis_k if thermal else 0.0,
            )
        )
        self._sky = Sky()
        self._learnt: Knowledge | None = None

    def recall(self, at_t_s: float, mode: Mode, state: State) -> None:
        """Go on from there."""
        self.at_t_s = at_t_s
        self.craft = Craft(self._settings, state)
        self._governor.resume(mode)

    @property
    def decision(self) -> Decision:
        """The last one."""
        return self._governor.decision

    def advance(self, knowledge: Knowledge, t_s: float, use: Use) -> float:
        """Go on to orbit time `t_s` and decide; returns for how much of it nobody knew whether the Sun shone.

        Battery and temperature stay as they are for so long.
        """
        self._learn(knowledge)
        if self.at_t_s is None:
            self.at_t_s = t_s
        unknown_s = 0.0
        for stretch in self._sky.stretches(self.at_t_s, t_s, LONGEST_STEP_S) if t_s > self.at_t_s else ():
            if stretch.lit is None:
                unknown_s += stretch.end_t_s - stretch.start_t_s
            else:
                self._step(knowledge, stretch, stretch.lit, use)
        self.at_t_s = max(t_s, self.at_t_s)
        self._sky.forget(self.at_t_s)
        self._decide()
        return unknown_s

    def readings(self, knowledge: Knowledge, t_s: float, use: Use) -> Readings:
        """How it is at the end of an `advance`."""
        lit, state = self._sky.lit(t_s), self.craft.state
        cosine, _ = _outlook(knowledge, t_s)
        return Readings(
            t_s,
            self.decision,
            self.craft.charge_ratio,
            state.wear.ratio,
            self.craft.temperature_c,
            self._array.power_w(t_s, lit=bool(lit), zenith_cos=cosine),
            self._load(use).total_w,
            use.cores,
            use.declared_w,
            lit,
            state.in_j,
            state.out_j,
            state.unserved_j,
        )

    @property
    def sees(self) -> bool:
        """Whether it is known if the Sun shines where it is."""
        return self.at_t_s is not None and self._sky.lit(self.at_t_s) is not None

    def _decide(self) -> Decision:
        return self._governor.decide(self.craft.charge_ratio, self.craft.temperature_c)

    def _load(self, use: Use) -> Load:
        power = self._settings.power
        return load(power.bus_w, self.computer, use.cores, use.declared_w, self.decision.share)

    def _learn(self, knowledge: Knowledge) -> None:
        if knowledge is self._learnt:
            return
        self._learnt = knowledge
        if (surroundings := knowledge.surroundings) is not None:
            dark = [(one.start_t_s, one.end_t_s) for one in surroundings.eclipses]
            self._sky.learn(knowledge.epoch.t0_s, surroundings.until_t_s, dark)

    def _step(self, knowledge: Knowledge, stretch: Stretch, lit: bool, use: Use) -> None:
        cosine, radius_km = _outlook(knowledge, (stretch.start_t_s + stretch.end_t_s) / 2)
        sun_w = self._array.power_w(stretch.start_t_s, lit=lit, zenith_cos=cosine)
        exposure = self.craft.exposure
        absorbed_w = exposure.absorbed_w(lit=lit, zenith_cos=cosine, radius_km=radius_km) if exposure else 0.0
        self._decide()
        self.craft.advance(sun_w, self._load(use), absorbed_w, stretch.end_t_s - stretch.start_t_s)


def _outlook(knowledge: Knowledge, t_s: float) -> tuple[float, float]:
    """Cosine of the Sun's angle from the zenith, and the distance from the Earth's centre (km)."""
    surroundings = knowledge.surroundings
    if surroundings is None or len(surroundings.sun_itrf) != 3:
        return _OVER_THE_TERMINATOR, _NO_ALTITUDE_KM
    try:
        position_km = knowledge.at(t_s)[0]
    except OutsideEphemerisError:
        return _OVER_THE_TERMINATOR, _NO_ALTITUDE_KM
    x, y, z = surroundings.sun_itrf
    sun = turned((x, y, z), t_s - knowledge.epoch.t0_s)
    return zenith_cos(position_km, sun), math.hypot(*position_km)
