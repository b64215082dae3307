"""Flight software against a stand-in orchestrator and services, with a clock that only the test moves."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from skyrack.node.config import ConfigError, NodeConfig
from skyrack.node.control_link import ControlLink
from skyrack.node.flight.governor import Mode
from skyrack.node.flight.outlook import turned
from skyrack.node.flight.pilot import Pilot
from skyrack.node.knowledge import Knowledge
from skyrack.node.services.pace import Pace
from skyrack.orchestrator.runtime.node_config import flight as flight_config
from skyrack.orchestrator.scenario.model.scenario import Scenario
from skyrack.v1 import control_pb2

POWER = {"battery_wh": 1000, "array_w": 3000, "bus_w": 200, "compute_idle_w": 200, "compute_peak_w": 1000}
ECLIPSES = ((1000.0, 3000.0), (6700.0, 8700.0))
KNOWN_S = 30_000.0
PERIOD_S = 5760.0  # of an equatorial orbit, as it is seen from the Earth


class HandClock:
    """Time that the test moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic_ns(self) -> int:
        return round(self.now_s * 1e9)

    def utc_now(self) -> datetime:
        return datetime.fromtimestamp(self.now_s, UTC)

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)


class Crew:
    """Services of which only it is known whether they may run."""

    def __init__(self) -> None:
        self.python_ratio = 0.0
        self.said: list[str] = []

    def suspend(self, reason: str) -> None:
        self.said.append(reason)

    def resume(self) -> None:
        self.said.append("resume")


class Heard(ControlLink):
    """What the node was told; every report is counted when it is due."""

    joins = 1

    def tell(
        self,
        speed: float,
        *,
        from_s: float = 0.0,
        eclipses: tuple[tuple[float, float], ...] = ECLIPSES,
        until_s: float | None = None,
        since: tuple[float, float] = (0.0, 0.0),
        t0_ns: int = 0,
        orbit: bool = False,
    ) -> None:
        """`since`: run and orbit time from which the clock goes at that speed.

        `orbit`: an ephemeris of one minute from `from_s` on, and a Sun under which the Earth turns; else both stand still.
        """
        update = control_pb2.NodeUpdate()
        update.clock.speed, update.clock.t0_monotonic_ns = speed, t0_ns
        update.clock.since_run_s, update.clock.since_t_s = since
        update.epoch.t0_s = from_s
        for at_s in (from_s, from_s + 60.0) if orbit else ():
            angle = 2 * math.pi * at_s / PERIOD_S
            position, velocity = (
                (math.cos(angle), math.sin(angle), 0.0),
                (-math.sin(angle), math.cos(angle), 0.0),
            )
            update.ephemeris.position_km.extend(6928.0 * part for part in position)
            update.ephemeris.velocity_km_s.extend(2 * math.pi / PERIOD_S * 6928.0 * part for part in velocity)
            update.ephemeris.first_t_s, update.ephemeris.step_s = from_s, 60.0
        for at_s in () if orbit else (0.0, 1e6):
            update.ephemeris.position_km.extend([6928.0, 0.0, 0.0])
            update.ephemeris.velocity_km_s.extend([0.0, 0.0, 0.0])
            update.ephemeris.step_s = max(1.0, at_s)
        update.surroundings.sun_itrf.extend(turned((1.0, 0.0, 0.0), from_s if orbit else 0.0))
        update.surroundings.since_t_s = from_s
        update.surroundings.until_t_s = until_s or from_s + KNOWN_S
        for start_s, end_s in eclipses:
            update.surroundings.eclipses.add(start_t_s=start_s, end_t_s=end_s)
        self.knowledge = Knowledge(update)


class Flying:
    """A pilot and what is around it. `busy_cores`: what its services use as long as they may run."""

    def __init__(self, directory: Path, speed: float = 60.0, **sections: Any) -> None:
        self.scenario = Scenario(
            version=1, name="x", power=sections.get("power", POWER), thermal=sections.get("thermal")
        )
        (directory / "nodes").mkdir(exist_ok=True)
        config = NodeConfig(
            name="p0s00", kind="satellite", index=0, run="r", address="100.64.0.1", network="100.64.0.0/10",
            socket_dir=str(directory), flight=flight_config(self.scenario),
        )  # fmt: skip
        self.clock, self.crew = HandClock(), Crew()
        self.control = Heard(config, self.clock)
        self.control.tell(speed)
        self.config = config
        self.pace = Pace(self.clock, lambda: 0)
        self.busy_cores = 1.0
        self.used_s = 0.0
        self.due = 0
        self.pilot = self.board()

    def board(self) -> Pilot:
        """A pilot, as a process of the node has one."""
        pilot = Pilot(self.config, self.clock, self.control, self.crew, self.pace, cpu_s=lambda: self.used_s)
        cast(Any, pilot)._reports.due = self._count
        return pilot

    def _count(self) -> None:
        self.due += 1

    def fly(self, seconds: float, step_s: float = 1.0) -> list[Mode]:
        """Real seconds; returns the modes there were, one after the other."""
        seen: list[Mode] = []
        for _ in range(round(seconds / step_s)):
            share = 1.0 if self.pilot.allowed_cores is None else self.pilot.allowed_cores
            self.used_s += min(self.busy_cores, share) * step_s
            self.clock.now_s += step_s
            self.pilot.look()
            assert self.pilot.readings is not None
            mode = self.pilot.readings.decision.mode
            if not seen or seen[-1] is not mode:
                seen.append(mode)
        return seen

    @property
    def charge(self) -> float:
        return self.pilot.state().battery_ratio


def test_an_eclipse_takes_a_small_battery_to_safe_mode_and_the_sun_brings_it_back(tmp_path: Path) -> None:
    craft = Flying(tmp_path, power={**POWER, "battery_wh": 400})
    craft.pilot.look()
    assert craft.pilot.state().mode == control_pb2.FLIGHT_MODE_NOMINAL
    seen = craft.fly(110)
    assert seen == [Mode.NOMINAL, Mode.THROTTLED, Mode.SAFE, Mode.THROTTLED, Mode.NOMINAL]
    stopped, started = craft.crew.said
    assert stopped.startswith("safe mode: battery 2")
    assert started == "resume"
    assert craft.pilot.readings is not None
    assert craft.pilot.readings.unserved_j == 0.0
    assert 5 < craft.due < 25, "it reports steps, not seconds"


def test_a_second_at_speed_60_is_a_minute_at_speed_1(tmp_path: Path) -> None:
    fast, slow = Flying(tmp_path, 60.0), Flying(tmp_path, 1.0)
    fast.pilot.look()
    slow.pilot.look()
    fast.fly(20)
    slow.fly(1200)
    assert fast.charge == pytest.approx(slow.charge, abs=2e-4)


def test_while_the_clock_is_paused_nothing_changes_and_then_it_goes_on(tmp_path: Path) -> None:
    craft = Flying(tmp_path)
    craft.pilot.look()
    craft.fly(20)
    before = craft.charge
    craft.control.tell(0.0, since=(20.0, 1200.0))
    craft.fly(50)
    assert craft.charge == before
    craft.control.tell(60.0, since=(70.0, 1200.0))
    craft.fly(3)
    assert craft.charge < before


def test_a_jump_is_reckoned_through_by_the_shadows_that_are_known(tmp_path: Path) -> None:
    stepped, jumped = Flying(tmp_path), Flying(tmp_path)
    for craft in (stepped, jumped):
        craft.busy_cores = 0.0
        craft.pilot.look()
    stepped.fly(45)
    jumped.fly(45, step_s=45.0)
    assert jumped.charge == pytest.approx(stepped.charge, abs=1e-4)
    assert stepped.charge < 1.0


def test_within_a_jump_the_governor_decides_as_on_the_way(tmp_path: Path) -> None:
    stepped, jumped = Flying(tmp_path), Flying(tmp_path)
    for craft in (stepped, jumped):
        craft.pilot.look()
    stepped.fly(45)
    jumped.fly(45, step_s=45.0)
    assert stepped.charge < 0.6, "it has been throttled"
    assert jumped.charge == pytest.approx(stepped.charge, abs=0.01)


def test_orbit_time_that_seems_to_go_back_is_not_counted_twice(tmp_path: Path) -> None:
    """As for a node that hears late of a clock that goes slower."""
    craft = Flying(tmp_path)
    craft.pilot.look()
    craft.fly(20)
    before = craft.charge
    assert before < 1.0
    craft.control.tell(60.0, since=(20.0, 1020.0))
    craft.fly(3)
    assert craft.charge == before
    craft.fly(1)
    assert craft.charge < before


def test_arrays_that_do_not_follow_the_sun_give_as_much_at_any_speed_and_over_a_jump(tmp_path: Path) -> None:
    """However far the last look lies before the ephemeris that is known now."""
    power = {**POWER, "array_mount": "zenith", "battery_wh": 1e6, "initial_charge_ratio": 0.5}
    given_j: list[float] = []
    for speed, look_s in ((60.0, 1.0), (960.0, 1.0), (960.0, 6.0)):
        craft = Flying(tmp_path, speed, power=power)
        t0_ns = -len(given_j) - 1  # another run each time
        craft.clock.now_s = t0_ns / 1e9
        craft.control.tell(speed, eclipses=(), t0_ns=t0_ns, orbit=True)
        craft.pilot.look()
        for _ in range(round(3 * PERIOD_S / speed / look_s)):
            craft.clock.now_s += look_s
            t_s = craft.control.knowledge.t_s(craft.clock.monotonic_ns())  # type: ignore[union-attr]
            craft.control.tell(speed, from_s=t_s, eclipses=(), t0_ns=t0_ns, orbit=True)
            craft.pilot.look()
        assert craft.pilot.readings is not None
        given_j.append(craft.pilot.readings.in_j)
    assert given_j == pytest.approx([3000 / math.pi * 3 * PERIOD_S] * 3, rel=0.1), "3000 W where it is noon"
    assert given_j[1:] == pytest.approx([given_j[0]] * 2, rel=0.02)


def test_over_a_time_whose_shadows_nobody_told_the_battery_stays_as_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    craft = Flying(tmp_path)
    craft.control.tell(60.0, eclipses=((0.0, 1200.0),), until_s=1200.0)
    craft.pilot.look()
    craft.fly(20)
    before = craft.charge
    assert before < 0.7
    craft.clock.now_s = 5000.0
    craft.control.tell(60.0, from_s=299_940.0, eclipses=(), since=(5000.0, 300_000.0))
    craft.pilot.look()
    assert craft.charge == pytest.approx(before, abs=0.07), "but for the last minute"
    assert caplog.text.count("shadows are not known") == 1
    assert "after_orbit_s" in repr([record.__dict__ for record in caplog.records]), (
        "and for how long it was so"
    )


def test_another_process_of_the_node_goes_on_where_the_last_one_was(tmp_path: Path) -> None:
    craft = Flying(tmp_path, power={**POWER, "battery_wh": 400})
    craft.pilot.look()
    assert craft.fly(40)[-1] is Mode.SAFE
    before = craft.charge
    craft.crew.said.clear()
    craft.pilot = craft.board()
    craft.pilot.look()
    assert craft.crew.said == [f"safe mode: battery {int(100 * before)} %"], (
        "at the first word, before services"
    )
    craft.clock.now_s += 1.0
    craft.pilot.look()
    assert craft.charge == pytest.approx(before, abs=0.02)
    other = Flying(tmp_path, power={**POWER, "battery_wh": 400})
    other.control.tell(60.0, t0_ns=-1)
    other.pilot.look()
    assert other.charge == 1.0, "what another run left is nothing to go on with"


def test_while_a_node_is_away_its_computer_is_idle_and_its_start_is_not_the_use_of_all_that_time(
    tmp_path: Path,
) -> None:
    craft = Flying(tmp_path, power={**POWER, "initial_charge_ratio": 0.9})
    craft.control.tell(60.0, eclipses=((0.0, 1e6),))
    craft.pilot.look()
    before = craft.charge
    craft.clock.now_s += 10.0
    craft.pilot = craft.board()
    craft.clock.now_s += 0.1
    craft.used_s += 0.1  # it starts, and takes a whole core for that
    craft.pilot.look()
    drawn_wh = (400.0 * 600.0 + 1000.0 * 6.0) / 3600.0
    assert (before - craft.charge) * 1000 * 0.95 == pytest.approx(drawn_wh, rel=0.01)


def test_heat_throttles_and_a_declared_load_counts_until_it_ends(tmp_path: Path) -> None:
    craft = Flying(tmp_path, power={**POWER, "battery_wh": 1e6}, thermal={"throttle_above_c": 50})
    craft.pilot.look()
    assert craft.pilot.declare("gpu", 800.0, 200.0) == 1.0
    assert craft.fly(150)[-1] is Mode.THROTTLED
    hot = craft.pilot.readings
    assert hot is not None
    assert hot.temperature_c is not None
    assert 50 < hot.temperature_c < 85
    assert hot.decision.share < 1.0
    assert hot.load_w == pytest.approx(
        200 + 200 + 800 * hot.decision.share + 800 * hot.decision.share, rel=0.1
    )
    craft.busy_cores = 0.1
    assert craft.fly(200)[-1] is Mode.NOMINAL
    assert craft.pilot.readings is not None
    assert craft.pilot.readings.declared_w == 0.0


def test_each_service_has_its_part_of_what_is_granted(tmp_path: Path) -> None:
    craft = Flying(
        tmp_path, power={**POWER, "cpu_cores": 2.0, "battery_wh": 500, "initial_charge_ratio": 0.5}
    )
    craft.control.tell(1.0, eclipses=((0.0, 1e6),))
    craft.busy_cores = 0.0
    for ratio, others, own in ((0.0, 0.95, 0.95), (0.25, 0.7125, 0.2375), (1.0, 0.95, 0.95)):
        craft.crew.python_ratio = ratio
        craft.fly(1)
        assert craft.pilot.allowed_cores == pytest.approx(0.95, abs=0.06)
        allowed = craft.pilot.allowed_cores
        assert allowed is not None
        assert craft.pilot.cpu_cores == pytest.approx(allowed * others / 0.95, rel=1e-3)
        assert craft.pace.ratio == pytest.approx(allowed * own / 0.95, rel=1e-3)


def test_every_join_is_reported_to(tmp_path: Path) -> None:
    craft = Flying(tmp_path)
    craft.pilot.look()
    craft.fly(3)
    assert craft.due == 1
    craft.control.joins += 1
    craft.fly(3)
    assert craft.due == 2


def test_a_configuration_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    craft = Flying(tmp_path)
    assert craft.config.flight is not None
    power = {**craft.config.flight["power"]}
    for odd, said in (
        ({"power": None}, "flight.power: None, expected an object"),
        ({"power": {**power, "bus_w": "much"}}, "flight.power.bus_w: 'much', expected float"),
        ({"power": {**power, "colour": 1}}, "flight.power: .*colour"),
    ):
        config = NodeConfig(**{**vars(craft.config), "flight": odd})
        with pytest.raises(ConfigError, match=said):
            Pilot(config, craft.clock, craft.control, craft.crew, craft.pace)
    with pytest.raises(ConfigError, match="a ground does not fly"):
        NodeConfig(**{**vars(craft.config), "kind": "ground"})
