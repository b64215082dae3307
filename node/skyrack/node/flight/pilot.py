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
from typing import Protocol

from skyrack.node.clock import Clock
from skyrack.node.config import NodeConfig
from skyrack.node.control_link import ControlLink
from skyrack.node.flight import usage
from skyrack.node.flight.governor import Decision, Mode
from skyrack.node.flight.load import Declared
from skyrack.node.flight.memory import Memory
from skyrack.node.flight.reckoning import LONGEST_STEP_S, Readings, Reckoning, Use
from skyrack.node.flight.report import FlightReports
from skyrack.node.flight.settings import FlightSettings
from skyrack.node.logs import fields, log
from skyrack.node.services.pace import Pace
from skyrack.v1 import control_pb2, guest_pb2

LOOK_S = 1.0  # of real time
NOTHING = Use(0.0, 0.0)
MODES = {
    Mode.NOMINAL: control_pb2.FLIGHT_MODE_NOMINAL,
    Mode.THROTTLED: control_pb2.FLIGHT_MODE_THROTTLED,
    Mode.SAFE: control_pb2.FLIGHT_MODE_SAFE,
}


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
        self._reckoning = Reckoning(settings := FlightSettings.from_mapping(config.flight))
        self._least_share = settings.power.least_share_ratio
        self._clock = clock
        self._control = control
        self._crew = crew
        self._pace = pace
        self._cpu_s = cpu_s
        self._memory = Memory(config.flight_file)
        self._cannot_save = False
        self._began_ns = self._looked_ns = clock.monotonic_ns()
        self._declared = Declared(self._began_ns / 1e9)
        self._used_s = cpu_s()
        self._use = NOTHING
        self._blind_s = 0.0  # orbit time until now in which nobody knew whether the Sun shone
        self._decided = self._reckoning.decision  # at the last look
        self._reports = FlightReports(config, clock, control, self.state)
        self._told: tuple[Decision, float | None, int] | None = None
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
        return self._reckoning.decision.share

    def state(self) -> control_pb2.FlightState:
        """What is told to the orchestrator."""
        now, decision = self.readings, self._reckoning.decision
        state = control_pb2.FlightState(
            mode=MODES[decision.mode],
            cpu_cores=self.cpu_cores,
            reason=decision.reason,
            t_s=now.t_s if now else 0.0,
            battery_ratio=self._reckoning.craft.charge_ratio,
        )
        if (temperature_c := self._reckoning.craft.temperature_c) is not None:
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
        share = self._reckoning.decision.share
        return None if share >= 1.0 else round(share * self._reckoning.computer.cpu_cores, 6)

    @property
    def cpu_cores(self) -> float | None:
        """Those for what does not run in the node's own process; None for no limit.

        Safe mode stops services in an orderly way, for which they and programs that nobody but the user stops have a little.
        """
        share, python = self._reckoning.decision.share, self._crew.python_ratio
        if share >= 1.0:
            return None
        cores = max(share, self._least_share) * self._reckoning.computer.cpu_cores
        return round(cores * (1.0 - python) if python < 1.0 else cores, 6)

    def look(self) -> None:
        """Go on to the present."""
        now_ns = self._clock.monotonic_ns()
        self._use = self._measure(now_ns)
        knowledge = self._control.knowledge
        if knowledge is None:
            return
        t0_ns, t_s = knowledge.clock.t0_monotonic_ns, knowledge.t_s(now_ns)
        unknown_s = 0.0
        if self.readings is None and (kept := self._memory.load(t0_ns)) is not None:
            self._reckoning.recall(kept)
            # Until this process began nothing but the bus and an idle computer drew power.
            unknown_s = self._reckoning.advance(knowledge, knowledge.t_s(self._began_ns), NOTHING)
        before = self._decided
        self._see(unknown_s + self._reckoning.advance(knowledge, t_s, self._use))
        self.readings = self._reckoning.readings(knowledge, t_s, self._use)
        decision = self._decided = self._reckoning.decision
        if decision is not before:
            log.info(f"flight mode {decision.mode.name.lower()}", extra=fields(reason=decision.reason))
            self._enact(before, decision)
            self.on_change()
        python = self._crew.python_ratio
        mine = decision.share * self._reckoning.computer.cpu_cores * (python or 1.0)
        self._pace.ratio = min(1.0, mine) if 0.0 < decision.share < 1.0 else None
        told = decision, self.cpu_cores, self._control.joins
        if told != self._told:
            self._told = told
            self._reports.due()
        self._save(t0_ns)

    def _measure(self, now_ns: int) -> Use:
        """What was used since the last look."""
        used_s, passed_s = self._cpu_s(), (now_ns - self._looked_ns) / 1e9
        cores = max(0.0, used_s - self._used_s) / passed_s if passed_s > 0.0 else self._use.cores
        declared_w = self._declared.mean_w(now_ns / 1e9)
        self._looked_ns, self._used_s = now_ns, used_s
        return Use(cores, declared_w)

    def _enact(self, before: Decision, decision: Decision) -> None:
        if decision.mode is Mode.SAFE:
            self._crew.suspend(f"safe mode: {decision.cause}")
        elif before.mode is Mode.SAFE:
            self._crew.resume()

    def _see(self, unknown_s: float) -> None:
        """Say for how long nobody knew whether the Sun shone, once it is worth a word."""
        before_s, self._blind_s = self._blind_s, self._blind_s + unknown_s
        if before_s <= LONGEST_STEP_S < self._blind_s:
            log.warning("shadows are not known: battery and temperature stay as they are")
        if not unknown_s or self._reckoning.sees:
            if self._blind_s > LONGEST_STEP_S:
                log.info("shadows are known again", extra=fields(after_orbit_s=round(self._blind_s, 1)))
            self._blind_s = 0.0

    def _save(self, t0_ns: int) -> None:
        try:
            self._memory.save(t0_ns, self._reckoning.kept())
            self._cannot_save = False
        except OSError as error:
            if not self._cannot_save:
                log.warning("power and heat not kept", extra=fields(error=str(error)))
            self._cannot_save = True
