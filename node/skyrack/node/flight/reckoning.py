"""Battery, heat and governor of a satellite along orbit time. Pure: knowledge and use are handed in.

shadows that are known --> stretches of a minute at most --> sun, load --> Craft --> Governor --> share of the next one
"""

from __future__ import annotations

from dataclasses import dataclass

from skyrack.node.flight.array import Array
from skyrack.node.flight.craft import Craft, State
from skyrack.node.flight.governor import Decision, Governor, Held, Limits
from skyrack.node.flight.load import Computer, Load, load
from skyrack.node.flight.outlook import outlook
from skyrack.node.flight.settings import FlightSettings
from skyrack.node.flight.sky import Sky, Stretch
from skyrack.node.knowledge import Knowledge

LONGEST_STEP_S = 60.0  # of orbit time: the governor decides at least so often


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


@dataclass(frozen=True)
class Kept:
    """What another process of the node needs to go on; `t_s`: the orbit time at which it was so."""

    t_s: float
    held: Held
    state: State


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
        self._limits = Limits(
            power.throttle_below_ratio,
            power.safe_below_ratio,
            power.safe_until_ratio,
            power.hysteresis_ratio,
            power.least_share_ratio,
            thermal.throttle_above_c if thermal else None,
            thermal.critical_c if thermal else None,
            thermal.hysteresis_k if thermal else 0.0,
        )
        self._governor = Governor(self._limits)
        self._sky = Sky()
        self._learnt: Knowledge | None = None

    def recall(self, kept: Kept) -> None:
        """Go on from there."""
        self.at_t_s = kept.t_s
        self.craft = Craft(self._settings, kept.state)
        self._governor = Governor(self._limits, kept.held)

    def kept(self) -> Kept:
        """For a reckoning that goes on from here, after an `advance`."""
        assert self.at_t_s is not None
        return Kept(self.at_t_s, self._governor.held, self.craft.state)

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
        return Readings(
            t_s,
            self.decision,
            self.craft.charge_ratio,
            state.wear.ratio,
            self.craft.temperature_c,
            self._array.power_w(t_s, lit=bool(lit), zenith_cos=outlook(knowledge, t_s).zenith_cos),
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

    def _decide(self) -> None:
        self._governor.decide(self.craft.charge_ratio, self.craft.temperature_c)

    def _load(self, use: Use) -> Load:
        power = self._settings.power
        return load(power.bus_w, self.computer, use.cores, use.declared_w, self.decision.share)

    def _learn(self, knowledge: Knowledge) -> None:
        if knowledge is self._learnt:
            return
        self._learnt = knowledge
        if (surroundings := knowledge.surroundings) is not None:
            dark = [(one.start_t_s, one.end_t_s) for one in surroundings.eclipses]
            self._sky.learn(surroundings.since_t_s, surroundings.until_t_s, dark)

    def _step(self, knowledge: Knowledge, stretch: Stretch, lit: bool, use: Use) -> None:
        middle = outlook(knowledge, (stretch.start_t_s + stretch.end_t_s) / 2)
        sun_w = self._array.power_w(stretch.start_t_s, lit=lit, zenith_cos=middle.zenith_cos)
        exposure, absorbed_w = self.craft.exposure, 0.0
        if exposure is not None:
            absorbed_w = exposure.absorbed_w(
                lit=lit, zenith_cos=middle.zenith_cos, radius_km=middle.radius_km
            )
        self._decide()
        self.craft.advance(sun_w, self._load(use), absorbed_w, stretch.end_t_s - stretch.start_t_s)
