"""Power and heat of a satellite as pure functions: what must hold of them whatever the numbers are."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyrack.node.flight import battery
from skyrack.node.flight.array import YEAR_S, Array
from skyrack.node.flight.craft import Craft, State
from skyrack.node.flight.governor import Governor, Limits, Mode, Play
from skyrack.node.flight.load import Computer, Declared, Load, load
from skyrack.node.flight.outlook import carried, turned, zenith_cos
from skyrack.node.flight.settings import FlightSettings
from skyrack.node.flight.sky import Sky
from skyrack.node.flight.thermal import ZERO_C_K, Exposure, Radiator
from skyrack.node.flight.wear import Wear, capacity_ratio, cycle_wear
from skyrack.node.position import Vector
from skyrack.orchestrator.environment.sun import sun_at
from skyrack.orchestrator.runtime.node_config import flight as flight_config
from skyrack.orchestrator.scenario.model.scenario import Scenario
from skyrack.orchestrator.topology.geometry import Geometry

ratios = st.floats(0.0, 1.0)
powers_w = st.floats(0.0, 1e5)
steps_s = st.floats(0.0, 1e5)


@given(ratios, powers_w, powers_w, steps_s, st.floats(0.5, 1.0), st.floats(0.5, 1.0))
def test_energy_of_a_battery_is_conserved(
    charge: float, sun_w: float, load_w: float, dt_s: float, charge_ratio: float, discharge_ratio: float
) -> None:
    most_j = 7.2e6
    done = battery.step(
        battery.Cell(charge_ratio, discharge_ratio), charge * most_j, most_j, sun_w, load_w, dt_s
    )
    came_j = sun_w * dt_s + charge * most_j + done.unserved_j
    went_j = load_w * dt_s + done.energy_j + done.spilled_j + done.lost_j
    assert came_j == pytest.approx(went_j, rel=1e-12, abs=1e-6)
    assert -1e-6 <= done.energy_j <= most_j * (1 + 1e-12)
    assert min(done.spilled_j, done.unserved_j, done.lost_j) >= -1e-6


@given(ratios, powers_w, powers_w, steps_s, ratios)
def test_a_step_of_a_battery_may_be_split_anywhere(
    charge: float, sun_w: float, load_w: float, dt_s: float, at: float
) -> None:
    cell, most_j = battery.Cell(0.95, 0.95), 7.2e6
    whole = battery.step(cell, charge * most_j, most_j, sun_w, load_w, dt_s)
    first = battery.step(cell, charge * most_j, most_j, sun_w, load_w, at * dt_s)
    second = battery.step(cell, first.energy_j, most_j, sun_w, load_w, (1 - at) * dt_s)
    assert second.energy_j == pytest.approx(whole.energy_j, rel=1e-9, abs=1e-3)
    for name in ("spilled_j", "unserved_j", "lost_j"):
        assert getattr(first, name) + getattr(second, name) == pytest.approx(
            getattr(whole, name), rel=1e-9, abs=1e-2
        )


BODY = Radiator(area_m2=2.1, emissivity=0.85, sink_k=220.0, heat_capacity_j_per_k=50e3)
temperatures_k = st.floats(120.0, 500.0)


@given(temperatures_k, st.floats(0.0, 1e4), st.floats(0.0, 1e7))
def test_temperature_goes_towards_its_equilibrium_and_never_past_it(
    at_k: float, power_w: float, dt_s: float
) -> None:
    settled_k, after_k = BODY.equilibrium_k(power_w), BODY.after_k(at_k, power_w, dt_s)
    assert min(at_k, settled_k) - 1e-9 <= after_k <= max(at_k, settled_k) + 1e-9
    assert BODY.after_k(at_k, power_w, 1e9) == pytest.approx(settled_k, rel=1e-9)
    assert BODY.radiated_w(settled_k) == pytest.approx(power_w, rel=1e-9, abs=1e-6)


@given(temperatures_k, st.floats(0.0, 1e4), st.floats(0.0, 1e5), ratios)
def test_a_step_of_temperature_may_be_split_anywhere(
    at_k: float, power_w: float, dt_s: float, at: float
) -> None:
    between_k = BODY.after_k(at_k, power_w, at * dt_s)
    split_k = BODY.after_k(between_k, power_w, (1 - at) * dt_s)
    assert split_k == pytest.approx(BODY.after_k(at_k, power_w, dt_s), abs=1e-6)


def test_temperature_agrees_with_small_steps_of_the_equation() -> None:
    at_k, dt_s = 293.15, 0.1
    for _ in range(36_000):
        at_k += (1000.0 - BODY.radiated_w(at_k)) / BODY.heat_capacity_j_per_k * dt_s
    assert BODY.after_k(293.15, 1000.0, 3600.0) == pytest.approx(at_k, abs=1e-3)


def test_what_comes_from_sun_and_earth() -> None:
    plate = Exposure(sun_area_m2=1.0, sun_absorptivity=0.2, earth_area_m2=1.0, emissivity=0.85)
    on_the_ground = {"lit": True, "zenith_cos": 1.0, "radius_km": 6378.137}
    assert plate.absorbed_w(**on_the_ground) == pytest.approx(0.85 * 237 + 0.2 * 0.3 * 1361 + 0.2 * 1361)  # type: ignore[arg-type]
    assert plate.absorbed_w(lit=False, zenith_cos=1.0, radius_km=6378.137) == pytest.approx(0.85 * 237)
    assert plate.absorbed_w(lit=True, zenith_cos=-1.0, radius_km=2 * 6378.137) == pytest.approx(
        0.85 * 237 / 4 + 0.2 * 1361
    ), "over the night side no sunlight comes from below"


def test_arrays_follow_the_sun_or_do_not() -> None:
    tracking, fixed = (Array(1000.0, mount, 0.0, 0.02) for mount in ("sun", "zenith"))
    assert tracking.power_w(0.0, lit=True, zenith_cos=-0.5) == 1000.0
    assert tracking.power_w(0.0, lit=False, zenith_cos=1.0) == 0.0
    assert fixed.power_w(0.0, lit=True, zenith_cos=0.5) == pytest.approx(500.0)
    assert fixed.power_w(0.0, lit=True, zenith_cos=-0.5) == 0.0, "the Sun shines on its back"
    assert tracking.power_w(3 * YEAR_S, lit=True, zenith_cos=0.0) == pytest.approx(1000.0 * 0.98**3)


def test_the_earth_turns_under_the_sun() -> None:
    sun = turned((1.0, 0.0, 0.0), 6 * 3600.0)
    assert sun[1] == pytest.approx(-1.0, abs=1e-4), "six hours later the Sun stands over 90 degrees west"
    assert zenith_cos((0.0, -7000.0, 0.0), sun) == pytest.approx(1.0, abs=1e-4)


def test_beyond_its_ephemeris_a_satellite_goes_on_around_the_earth() -> None:
    """Against SGP4 and the true Sun: an orbit to either side within a degree, half a day ahead within five."""
    geometry = Geometry(Scenario.model_validate(
        {"version": 1, "name": "x", "ground": ["london"], "inhabited": ["p0s00"],
         "shells": [{"name": "v", "planes": 1, "slots": 1, "altitude_km": 550, "inclination_deg": 53}]}
    ))  # fmt: skip
    at_s = 20_000.0

    def state(t_s: float) -> tuple[Vector, Vector, Vector]:
        position_km, velocity_km_s = geometry.itrf(0, np.array([t_s]))
        sun = geometry.itrf_of(sun_at(geometry, t_s), t_s)
        return tuple(position_km[0].tolist()), tuple(velocity_km_s[0].tolist()), tuple(sun.tolist())

    position_km, velocity_km_s, sun = state(at_s)
    for ahead_s, within in (
        (-5700.0, 0.018),
        (-900.0, 0.003),
        (1400.0, 0.005),
        (5700.0, 0.018),
        (43_200.0, 0.09),
    ):
        true_position, _, true_sun = state(at_s + ahead_s)
        guessed = zenith_cos(carried(position_km, velocity_km_s, ahead_s), sun)
        assert guessed == pytest.approx(zenith_cos(true_position, true_sun), abs=within), ahead_s


@given(st.lists(ratios, min_size=1, max_size=60))
def test_wear_never_shrinks_and_is_that_of_half_the_way_at_least(levels: list[float]) -> None:
    wear, before = Wear(), 0.0
    for level in levels:
        wear.follow(level)
        assert wear.ratio >= before - 1e-12
        before = wear.ratio
    swing = max(levels) - min(levels)
    if swing > 0.01:
        assert wear.ratio >= cycle_wear(swing - 0.002) / 2 - 1e-12, "the largest swing is in it"


@given(st.lists(st.floats(0.1, 1.0), min_size=2, max_size=20))
def test_wear_does_not_depend_on_how_often_the_level_is_looked_at(levels: list[float]) -> None:
    coarse, fine = Wear(), Wear()
    for a, b in itertools.pairwise(levels):
        coarse.follow(a)
        for i in range(20):
            fine.follow(a + (b - a) * i / 20)
    for wear in (coarse, fine):
        wear.follow(levels[-1])
    assert fine.ratio == pytest.approx(coarse.ratio, rel=0.02, abs=2e-8)


def test_small_cycles_within_a_large_one_count_by_themselves() -> None:
    wear = Wear()
    for level in (1.0, 0.6, 0.8, 0.7, 0.9, 0.4, 1.0):
        wear.follow(level)
    # Rainflow (ASTM E1049): 0.8-0.7 closes within 0.6-0.9, which closes within 1.0-0.4-1.0.
    expected = cycle_wear(0.1) + cycle_wear(0.3) + cycle_wear(0.6)
    assert wear.ratio == pytest.approx(expected, rel=1e-6)
    assert capacity_ratio(0.5, 0.8) == pytest.approx(0.9)


def craft(wear: Wear | None = None) -> Craft:
    """With a battery of 100 Wh, and 5 % lost on the way in and out."""
    scenario = Scenario.model_validate(
        {"version": 1, "name": "x", "power": {"battery_wh": 100}, "thermal": {}}
    )
    settings = FlightSettings.from_mapping(flight_config(scenario) or {})
    return Craft(settings, State(360_000.0, 293.15, wear or Wear()))


def test_a_computer_warms_by_what_it_draws_and_absorbs_and_not_by_the_bus() -> None:
    warm = craft()
    warm.advance(0.0, Load(bus_w=5000.0, compute_w=300.0), 200.0, 1e6)
    assert warm.radiator is not None
    assert warm.state.temperature_k == pytest.approx(warm.radiator.equilibrium_k(500.0))


def test_books_of_a_battery_say_what_came_in_what_went_out_and_what_was_not_there() -> None:
    one = craft()
    one.advance(0.0, Load(100.0, 100.0), 0.0, 3600.0)
    assert one.state.energy_j == 0.0
    assert one.state.out_j == pytest.approx(95.0 * 3600.0)
    assert one.state.unserved_j == pytest.approx(105.0 * 3600.0)
    assert one.state.wear.ratio == pytest.approx(cycle_wear(1.0) / 2)
    one.advance(500.0, Load(100.0, 0.0), 0.0, 3600.0)
    put_in_wh = 100.0 * one.capacity_j / 360_000.0 / 0.95
    assert one.charge_ratio == 1.0
    assert one.state.in_j == pytest.approx((100.0 + put_in_wh) * 3600.0, rel=1e-4), (
        "what was spilled is not counted"
    )


def test_a_worn_battery_holds_less() -> None:
    worn = craft(Wear(whole=0.5))
    assert worn.charge_ratio == 1.0
    worn.advance(0.0, Load(0.0, 90.0), 0.0, 1800.0)
    worn.advance(1e4, Load(0.0, 0.0), 0.0, 1e5)
    assert worn.state.energy_j == pytest.approx(0.9 * 360_000.0, rel=1e-3)
    assert worn.charge_ratio == pytest.approx(1.0)


LIMITS = Limits(0.70, 0.30, 0.50, 0.03, 0.25, 70.0, 85.0, 4.0)


def modes(levels: list[tuple[float, float | None]], limits: Limits = LIMITS) -> list[Mode]:
    governor = Governor(limits)
    return [governor.decide(*level).mode for level in levels]


def test_a_battery_that_runs_down_and_fills_goes_through_the_modes() -> None:
    down = [(level / 100, None) for level in range(100, 9, -1)]
    up = [(level / 100, None) for level in range(10, 101)]
    seen = modes([*down, *up])
    changes = [mode for before, mode in zip([None, *seen], seen, strict=False) if mode is not before]
    assert changes == [Mode.NOMINAL, Mode.THROTTLED, Mode.SAFE, Mode.THROTTLED, Mode.NOMINAL]
    assert seen[100 - 70] is Mode.NOMINAL
    assert seen[100 - 69] is Mode.THROTTLED
    assert seen[100 - 29] is Mode.SAFE
    assert seen[len(down) + 49 - 10] is Mode.SAFE, "safe mode lasts until safe_until_ratio"
    assert seen[len(down) + 50 - 10] is Mode.THROTTLED


def test_shares_are_those_of_the_formula_in_steps_and_reasons_say_why() -> None:
    governor = Governor(LIMITS)
    assert governor.decide(1.0, 70.0).share == 1.0
    hot = governor.decide(1.0, 77.5)
    assert hot.share == pytest.approx(0.5), "half way from 70 to 85 degrees"
    assert hot.reason == "77.5 °C, above 70 °C: services get 50 % of the computer"
    assert governor.decide(1.0, 84.9).share == 0.25, "not less than the least"
    assert governor.decide(1.0, 85.1).mode is Mode.SAFE
    assert governor.decide(1.0, 66.1).mode is Mode.SAFE, "cooled means hysteresis_k below throttle_above_c"
    assert governor.decide(1.0, 65.9).mode is Mode.NOMINAL
    flat = governor.decide(0.29, 20.0)
    assert (flat.mode, flat.share, flat.cause) == (Mode.SAFE, 0.0, "battery 29 %")
    assert flat.reason == "battery 29 %, below 30 %: services are stopped until the battery has 50 %"


def test_the_reason_follows_what_it_is_for_while_mode_and_share_stay() -> None:
    governor = Governor(LIMITS)
    both = governor.decide(0.2, 90.0)
    assert both.reason == "battery 20 %, below 30 %: services are stopped until the battery has 50 %"
    hot = governor.decide(0.6, 80.0)
    assert (hot.mode, hot.share) == (both.mode, both.share)
    assert hot.reason == "80.0 °C, cooling: services are stopped until it has cooled to 66 °C"
    assert governor.decide(0.7, 79.0) is hot, "decided once, not with each degree"
    warm = Governor(LIMITS)
    assert warm.decide(0.5, 77.5).cause == "battery 50 %", (
        "of two that ask for the same share the battery is named"
    )
    assert warm.decide(1.0, 76.0).reason == "76.0 °C, above 70 °C: services get 50 % of the computer"
    warm.decide(1.0, 71.0)
    assert warm.decide(1.0, 69.0).reason == "69.0 °C, cooling: services get 80 % of the computer"


@pytest.mark.parametrize(
    ("into_safe_mode", "later", "mode", "cause"),
    [
        ((0.29, 60.0), (0.45, 60.0), Mode.SAFE, "battery 45 %"),
        ((0.29, 60.0), (0.51, 80.0), Mode.THROTTLED, "80.0 °C"),
        ((0.60, 86.0), (0.45, 80.0), Mode.SAFE, "80.0 °C"),
        ((0.60, 86.0), (0.45, 65.0), Mode.THROTTLED, "battery 45 %"),
    ],
)
def test_a_governor_that_goes_on_for_another_decides_as_that_would_have(
    into_safe_mode: tuple[float, float], later: tuple[float, float], mode: Mode, cause: str
) -> None:
    first = Governor(LIMITS)
    assert first.decide(*into_safe_mode).mode is Mode.SAFE
    second = Governor(LIMITS, first.held)
    decided = second.decide(*later)
    assert (decided.mode, decided.cause) == (mode, cause)
    expected = first.decide(*later)
    assert (decided.mode, decided.share) == (expected.mode, expected.share)


@pytest.mark.parametrize(("throttled", "later"), [((1.0, 77.5), (1.0, 74.5)), ((0.50, 20.0), (0.52, 20.0))])
def test_a_governor_that_goes_on_for_another_keeps_to_its_hysteresis(
    throttled: tuple[float, float], later: tuple[float, float]
) -> None:
    first = Governor(LIMITS)
    share = first.decide(*throttled).share
    assert share < 1.0
    assert Governor(LIMITS, first.held).decide(*later).share == share
    assert Governor(LIMITS).decide(*later).share > share


@given(
    st.floats(0.1, 0.95), st.lists(st.floats(-0.014, 0.014), min_size=1, max_size=80), st.floats(30.0, 90.0)
)
def test_noise_smaller_than_the_hysteresis_changes_a_mode_once_at_most(
    level: float, noise: list[float], at_c: float
) -> None:
    seen = Governor(LIMITS)
    decisions = [seen.decide(level + each, at_c + 100 * each) for each in noise]
    shares = [decision.share for decision in decisions]
    modes_seen = [decision.mode for decision in decisions]
    assert sum(a is not b for a, b in itertools.pairwise(modes_seen)) <= 2
    falls = [a >= b for a, b in itertools.pairwise(shares)]
    assert all(falls), "within the hysteresis the share only ever falls"


@given(st.lists(st.floats(-100, 100), min_size=1), st.floats(0, 20))
def test_play_keeps_within_its_slack(values: list[float], slack: float) -> None:
    play = Play(slack)
    for value in values:
        at = play.follow(value)
        assert value - 1e-9 <= at <= value + slack + 1e-9


def test_closed_loop_of_heat_and_share_settles() -> None:
    """A computer that is too much for its radiator: the share comes to rest, and temperature stays below the critical one."""
    governor, at_k, shares = Governor(LIMITS), 293.15, list[float]()
    computer = Computer(100.0, 1600.0, 1.0)
    for _ in range(3000):
        share = governor.decide(1.0, at_k - ZERO_C_K).share
        shares.append(share)
        at_k = BODY.after_k(at_k, load(0.0, computer, 1.0, 0.0, share).compute_w, 10.0)
    assert at_k - ZERO_C_K < 85.0
    assert len(set(shares[1500:])) == 1, "it does not go to and fro"


def test_load_is_bus_and_computer_by_what_is_used() -> None:
    computer = Computer(300.0, 1000.0, 2.0)
    assert load(200.0, computer, 1.0, 0.0, 1.0).total_w == pytest.approx(200 + 650)
    assert load(200.0, computer, 9.0, 0.0, 1.0).total_w == pytest.approx(1200.0), "no more than the peak"
    assert load(200.0, computer, 2.0, 100.0, 0.5).compute_w == pytest.approx(300 + 350 + 50)
    assert load(200.0, computer, 2.0, 100.0, 0.0).total_w == 200.0, "in safe mode the computer is off"


def test_declared_loads_end_by_themselves_and_are_replaced_by_name() -> None:
    declared = Declared(9.0)
    declared.declare("gpu", 250.0, 10.0, 60.0)
    declared.declare("npu", 50.0, 10.0, None)
    assert declared.mean_w(11.0) == pytest.approx(150.0), "half of the time they were there"
    assert declared.mean_w(69.0) == pytest.approx(300.0)
    assert declared.mean_w(71.0) == pytest.approx(50 + 125), "half of the time it was there"
    assert declared.mean_w(1e3) == 50.0
    declared.declare("npu", 100.0, 1e3 + 1.0, None)
    declared.declare("npu", 0.0, 1e3 + 2.0, None)
    assert declared.mean_w(1e3 + 4.0) == pytest.approx((50 + 100) / 4), (
        "what has been replaced counts until then"
    )
    assert declared.mean_w(1e3 + 4.0) == 0.0


@settings(max_examples=50)
@given(st.floats(0, 5000), st.floats(0, 5000), st.floats(1.0, 500.0))
def test_stretches_cover_the_time_and_change_with_the_light(
    start: float, length: float, longest: float
) -> None:
    sky = Sky()
    sky.learn(0.0, 4000.0, [(500.0, 1500.0), (3500.0, 4500.0)])
    sky.learn(2000.0, 6000.0, [(3500.0, 5400.0)])
    stretches = list(sky.stretches(start, start + length, longest)) if length else []
    at = start
    for stretch in stretches:
        assert stretch.start_t_s == pytest.approx(at)
        assert stretch.lit is None or stretch.end_t_s - stretch.start_t_s <= longest * (1 + 1e-9)
        middle = (stretch.start_t_s + stretch.end_t_s) / 2
        dark = 500 <= middle < 1500 or 3500 <= middle < 5400
        assert stretch.lit is (None if middle >= 6000 else not dark)
        at = stretch.end_t_s
    assert math.isclose(at, start + length, abs_tol=1e-6) or not stretches


def test_a_word_that_reaches_less_far_leaves_what_is_known_beyond_it() -> None:
    sky = Sky()
    sky.learn(0.0, 6000.0, [(1000.0, 3500.0), (5000.0, 5500.0)])
    sky.learn(500.0, 3000.0, [(2000.0, 3000.0)])
    assert [(s.start_t_s, s.end_t_s, s.lit) for s in sky.stretches(0.0, 6000.0, 1e9)] == [
        (0.0, 2000.0, True), (2000.0, 3000.0, False), (3000.0, 3500.0, False),
        (3500.0, 5000.0, True), (5000.0, 5500.0, False), (5500.0, 6000.0, True),
    ]  # fmt: skip


def test_what_lies_between_two_words_is_not_known() -> None:
    """As after a jump of the clock over more than was told."""
    sky = Sky()
    sky.learn(0.0, 100.0, [(50.0, 100.0)])
    sky.learn(1000.0, 1100.0, [])
    assert [(s.start_t_s, s.end_t_s, s.lit) for s in sky.stretches(90.0, 1050.0, 1e9)] == [
        (90.0, 100.0, False), (100.0, 1000.0, None), (1000.0, 1050.0, True),
    ]  # fmt: skip
    ten_years_s = 3e8
    assert len(list(sky.stretches(90.0, ten_years_s, 60.0))) == 1 + 1 + 2 + 1, (
        "what nobody knows is one stretch"
    )
    sky.forget(1000.0)
    assert sky.lit(60.0) is None
