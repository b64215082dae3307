"""The flight software of one satellite: once a second of real time it looks, reckons on, decides and has that carried out.

     knowledge (orbit time, shadow, Sun) --.
     CPU used since, loads declared -------+--> Craft --> Governor --> services stopped or started, pace of Python services
                                                             '------> ReportFlight, alerts, metrics, telemetry

What was used in a real second is taken for the use during the orbit time that passed in it, at any speed of the clock: while
that is paused nothing changes. A jump is reckoned through as far as shadows are known; where they are not, battery and
temperature stay as they are, and the log says for how long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from skyrack.node.clock import Clock
from skyrack.node.config import NodeConfig
from skyrack.node.control_link import ControlLink
from skyrack.node.flight import usage
from skyrack.node.flight.array import Array, turned, zenith_cos
from skyrack.node.flight.craft import Craft
from skyrack.node.flight.governor import Decision, Governor, Limits, Mode
from skyrack.node.flight.load import Computer, Declared, Load, load
from skyrack.node.flight.memory import Memory
from skyrack.node.flight.report import FlightReports
from skyrack.node.flight.settings import FlightSettings
from skyrack.node.flight.sky import Sky, Stretch
from skyrack.node.knowledge import Knowledge
from skyrack.node.logs import fields, log
from skyrack.node.position import OutsideEphemerisError, Vector
from skyrack.node.services.pace import Pace
from skyrack.v1 import control_pb2, guest_pb2

LOOK_S = 1.0  # of real time
LONGEST_STEP_S = 60.0  # of orbit time: the governor decides at least so often
MODES = {
    Mode.NOMINAL: control_pb2.FLIGHT_MODE_NOMINAL,
    Mode.THROTTLED: control_pb2.FLIGHT_MODE_THROTTLED,
    Mode.SAFE: control_pb2.FLIGHT_MODE_SAFE,
}
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


class Crew(Protocol):
    """The node's services."""

    def suspend(self, reason: str) -> None:
        """Stop all, and start none before `resume`."""

    def resume(self) -> None:
        """Start those that were suspended."""

    @property
    def python_ratio(self) -> float:
        """How many of them run in the node's own process, of all."""


class Pilot:
    """Works while `run` runs. `on_change` is called when it has decided anew; `readings` is None before the first look.

    A share of the computer is divided by number: each service has one part, the node sees to the parts of Python services
    together, and the orchestrator to those of all others together, with what else runs in the node.
    """

    def __init__(
        self,
        config: NodeConfig,
        clock: Clock,
        control: ControlLink,
        crew: Crew,
        pace: Pace,
        *,
        cpu_s: Callable[[], float] = usage.cpu_s,
    ) -> None:
        """Raises ConfigError."""
        assert config.flight is not None
        settings = FlightSettings.from_mapping(config.flight)
        power, thermal = settings.power, settings.thermal
        self._clock = clock
        self._control = control
        self._crew = crew
        self._pace = pace
        self._cpu_s = cpu_s
        self._memory = Memory(config.flight_file)
        self._at_t_s: float | None = None
        self._settings = settings
        self._craft = Craft(settings)
        self._array = Array(
            power.array_w, power.array_mount, power.array_age_years, power.degradation_per_year_ratio
        )
        self._computer = Computer(power.compute_idle_w, power.compute_peak_w, power.cpu_cores)
        self._bus_w = power.bus_w
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
        self._decided = self._governor.decision  # at the last look
        self._sky = Sky()
        self._learnt: Knowledge | None = None
        self._declared = Declared()
        self._looked_ns = clock.monotonic_ns()
        self._used_s = cpu_s()
        self._sun_w, self._load, self._used_cores = 0.0, Load(0.0, 0.0), 0.0
        self._lit: bool | None = None
        self._blind_s = 0.0  # orbit time until now in which nobody knew whether it was lit
        self._reports = FlightReports(config, clock, control, self.state)
        self._cannot_save = False
        self._told: tuple[Decision, float | None, int] | None = None
        self._least_share = power.least_share_ratio
        self.on_change: Callable[[], None] = lambda: None
        self.readings: Readings | None = None

    async def run(self) -> None:
        """For ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._reports.run(), name="flight reports")
            while True:
                self.look()
                await self._clock.sleep(LOOK_S)

    def told(self) -> None:
        """The orchestrator has spoken: at its first word there is something to decide before services start."""
        if self.readings is None:
            self.look()
        self.on_change()

    def declare(self, name: str, power_w: float, for_s: float | None) -> float:
        """Count a load that a guest declares; returns the share of it that is granted."""
        self._declared.declare(name, power_w, self._clock.monotonic_ns() / 1e9, for_s)
        return self._governor.decision.share

    def state(self) -> control_pb2.FlightState:
        """What is told to the orchestrator."""
        now, decision = self.readings, self._governor.decision
        state = control_pb2.FlightState(
            mode=MODES[decision.mode],
            cpu_cores=self.cpu_cores,
            reason=decision.reason,
            t_s=now.t_s if now else 0.0,
            battery_ratio=self._craft.charge_ratio,
        )
        if (temperature_c := self._craft.temperature_c) is not None:
            state.temperature_c = temperature_c
        return state

    def flight(self) -> guest_pb2.GetFlightResponse | None:
        """What is told to guests; None before the first look."""
        now = self.readings
        if now is None:
            return None
        return guest_pb2.GetFlightResponse(
            t_s=now.t_s,
            mode=MODES[now.decision.mode],
            reason=now.decision.reason,
            battery_ratio=now.charge_ratio,
            battery_wear_ratio=now.wear_ratio,
            temperature_c=now.temperature_c,
            power_in_w=now.sun_w,
            power_out_w=now.load_w,
            granted_ratio=now.decision.share,
            cpu_cores=self.allowed_cores,
            used_cores=now.used_cores,
            declared_w=now.declared_w,
            sunlit=now.lit,
        )

    @property
    def allowed_cores(self) -> float | None:
        """Cores of the host that all services together may use: 0 in safe mode; None for no limit."""
        share = self._governor.decision.share
        return None if share >= 1.0 else round(share * self._computer.cpu_cores, 6)

    @property
    def cpu_cores(self) -> float | None:
        """Those for what does not run in the node's own process; None for no limit.

        Safe mode stops services in an orderly way, for which they and programs that nobody but the user stops have a little.
        """
        share, python = self._governor.decision.share, self._crew.python_ratio
        if share >= 1.0:
            return None
        cores = max(share, self._least_share) * self._computer.cpu_cores
        return round(cores * (1.0 - python) if python < 1.0 else cores, 6)

    def look(self) -> None:
        """Go on to the present."""
        now_ns, used_s = self._clock.monotonic_ns(), self._cpu_s()
        passed_s = (now_ns - self._looked_ns) / 1e9
        if passed_s > 0.0:
            self._used_cores = max(0.0, used_s - self._used_s) / passed_s
        declared_w = self._declared.mean_w(self._looked_ns / 1e9, now_ns / 1e9)
        self._looked_ns, self._used_s = now_ns, used_s
        knowledge = self._control.knowledge
        if knowledge is None:
            return
        if self.readings is None:
            self._recall(knowledge.clock.t0_monotonic_ns)
        self._learn(knowledge)
        t_s = knowledge.t_s(now_ns)
        before = self._decided
        self._reckon(knowledge, t_s, declared_w)
        decision = self._governor.decide(self._craft.charge_ratio, self._craft.temperature_c)
        self._decided = decision
        self._look_around(knowledge, t_s, declared_w)
        state = self._craft.state
        self.readings = Readings(
            t_s,
            decision,
            self._craft.charge_ratio,
            state.wear.ratio,
            self._craft.temperature_c,
            self._sun_w,
            self._load.total_w,
            self._used_cores,
            declared_w,
            self._lit,
            state.in_j,
            state.out_j,
            state.unserved_j,
        )
        if decision is not before:
            log.info(f"flight mode {decision.mode.name.lower()}", extra=fields(reason=decision.reason))
            self._enact(before, decision)
            self.on_change()
        python = self._crew.python_ratio
        mine = decision.share * self._computer.cpu_cores * (python or 1.0)
        self._pace.ratio = min(1.0, mine) if 0.0 < decision.share < 1.0 else None
        told = decision, self.cpu_cores, self._control.joins
        if told != self._told:
            self._told = told
            self._reports.due()
        self._save(knowledge.clock.t0_monotonic_ns, t_s, decision.mode)

    def _recall(self, t0_ns: int) -> None:
        """Go on where another process of the node has left off in this run, if one has."""
        if (kept := self._memory.load(t0_ns)) is not None:
            self._at_t_s, mode, state = kept
            self._craft = Craft(self._settings, state)
            self._governor.resume(mode)

    def _enact(self, before: Decision, decision: Decision) -> None:
        if decision.mode is Mode.SAFE:
            self._crew.suspend(f"safe mode: {decision.cause}")
        elif before.mode is Mode.SAFE:
            self._crew.resume()

    def _learn(self, knowledge: Knowledge) -> None:
        if knowledge is self._learnt:
            return
        self._learnt = knowledge
        if (surroundings := knowledge.surroundings) is not None:
            dark = [(one.start_t_s, one.end_t_s) for one in surroundings.eclipses]
            self._sky.learn(knowledge.epoch.t0_s, surroundings.until_t_s, dark)

    def _reckon(self, knowledge: Knowledge, t_s: float, declared_w: float) -> None:
        """From where it was to orbit time `t_s`."""
        if self._at_t_s is None:
            self._at_t_s = t_s
        for stretch in self._sky.stretches(self._at_t_s, t_s, LONGEST_STEP_S) if t_s > self._at_t_s else ():
            self._see(stretch)
            if stretch.lit is not None:
                self._step(knowledge, stretch, stretch.lit, declared_w)
        self._at_t_s = max(t_s, self._at_t_s)
        self._sky.forget(self._at_t_s)

    def _see(self, stretch: Stretch) -> None:
        """Say for how long nobody knows whether the Sun shines, once it is worth a word."""
        if stretch.lit is None:
            before_s, self._blind_s = self._blind_s, self._blind_s + stretch.end_t_s - stretch.start_t_s
            if before_s <= LONGEST_STEP_S < self._blind_s:
                log.warning("shadows are not known: battery and temperature stay as they are")
        elif self._blind_s:
            if self._blind_s > LONGEST_STEP_S:
                log.info("shadows are known again", extra=fields(after_orbit_s=round(self._blind_s, 1)))
            self._blind_s = 0.0

    def _step(self, knowledge: Knowledge, stretch: Stretch, lit: bool, declared_w: float) -> None:
        cosine, radius_km = self._outlook(knowledge, (stretch.start_t_s + stretch.end_t_s) / 2)
        sun_w = self._array.power_w(stretch.start_t_s, lit=lit, zenith_cos=cosine)
        exposure = self._craft.exposure
        absorbed_w = exposure.absorbed_w(lit=lit, zenith_cos=cosine, radius_km=radius_km) if exposure else 0.0
        decision = self._governor.decide(self._craft.charge_ratio, self._craft.temperature_c)
        drawn = load(self._bus_w, self._computer, self._used_cores, declared_w, decision.share)
        self._craft.advance(sun_w, drawn, absorbed_w, stretch.end_t_s - stretch.start_t_s)

    def _look_around(self, knowledge: Knowledge, t_s: float, declared_w: float) -> None:
        """What comes in and goes out now."""
        self._lit = self._sky.lit(t_s)
        cosine, _ = self._outlook(knowledge, t_s)
        self._sun_w = self._array.power_w(t_s, lit=bool(self._lit), zenith_cos=cosine)
        share = self._governor.decision.share
        self._load = load(self._bus_w, self._computer, self._used_cores, declared_w, share)

    def _outlook(self, knowledge: Knowledge, t_s: float) -> tuple[float, float]:
        """Cosine of the Sun's angle from the zenith, and the distance from the Earth's centre (km)."""
        surroundings = knowledge.surroundings
        if surroundings is None or len(surroundings.sun_itrf) != 3:
            return _OVER_THE_TERMINATOR, _NO_ALTITUDE_KM
        try:
            position_km = knowledge.at(t_s)[0]
        except OutsideEphemerisError:
            return _OVER_THE_TERMINATOR, _NO_ALTITUDE_KM
        x, y, z = surroundings.sun_itrf
        sun: Vector = turned((x, y, z), t_s - knowledge.epoch.t0_s)
        return zenith_cos(position_km, sun), sum(a * a for a in position_km) ** 0.5

    def _save(self, t0_ns: int, t_s: float, mode: Mode) -> None:
        try:
            self._memory.save(t0_ns, t_s, mode, self._craft.state)
            self._cannot_save = False
        except OSError as error:
            if not self._cannot_save:
                log.warning("power and heat not kept", extra=fields(error=str(error)))
            self._cannot_save = True
