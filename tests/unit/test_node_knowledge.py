"""What a node makes of an update."""

import math

import pytest

from skyrack.node.knowledge import Knowledge, UnusableUpdateError
from skyrack.v1 import control_pb2


def update() -> control_pb2.NodeUpdate:
    message = control_pb2.NodeUpdate()
    message.clock.start.FromJsonString("2026-01-01T00:00:00Z")
    message.clock.t0_monotonic_ns = 5_000_000_000
    message.clock.speed = 10.0
    message.ephemeris.step_s = 10.0
    message.ephemeris.position_km.extend([7000.0, 0.0, 0.0, 7000.0, 75.0, 0.0])
    message.ephemeris.velocity_km_s.extend([0.0, 7.5, 0.0] * 2)
    for peer, start_t_s, end_t_s in (("a", -50.0, 0.0), ("b", -5.0, 20.0), ("c", 30.0, 90.0)):
        message.forecast.add(peer=peer, start_t_s=start_t_s, end_t_s=end_t_s)
    return message


def test_orbit_time_runs_at_the_scenario_speed_from_the_run_start() -> None:
    knowledge = Knowledge(update())
    assert knowledge.t_s(5_000_000_000) == 0.0
    assert knowledge.t_s(5_500_000_000) == 5.0
    assert knowledge.utc_ns(5.0) - update().clock.start.ToNanoseconds() == 5_000_000_000


def test_a_clock_that_begins_in_a_moment_is_not_in_force_yet_and_a_paused_one_stands_still() -> None:
    before, message = update(), update()
    message.clock.speed, message.clock.since_run_s, message.clock.since_t_s = 0.0, 2.0, 20.0
    knowledge = Knowledge(message, before.clock)
    assert knowledge.t_s(6_000_000_000) == 10.0
    assert knowledge.t_s(7_000_000_000) == knowledge.t_s(99_000_000_000) == 20.0
    assert knowledge.real_s(5.0) == math.inf
    message.clock.speed, message.clock.since_t_s = 60.0, 5000.0
    assert Knowledge(message).t_s(8_000_000_000) == 5060.0


def test_position_is_read_as_triples() -> None:
    position_km, velocity_km_s = Knowledge(update()).at(5.0)
    assert position_km == pytest.approx((7000.0, 37.5, 0.0))
    assert velocity_km_s == pytest.approx((0.0, 7.5, 0.0))


def test_contacts_that_ended_are_left_out() -> None:
    assert [contact.peer for contact in Knowledge(update()).contacts(0.0)] == ["b", "c"]


def test_what_is_now_is_seen_and_what_comes_is_forecast() -> None:
    message = update()
    assert Knowledge(message).surroundings is None
    assert Knowledge(message).in_shadow(0.0) is None
    message.shadow.eclipses.add(start_t_s=10.0, end_t_s=30.0)
    message.anomaly.passes.add(start_t_s=10.0, end_t_s=30.0)
    message.surroundings.eclipses.add(start_t_s=0.0, end_t_s=20.0)
    message.surroundings.anomaly_passes.add(start_t_s=20.0, end_t_s=40.0)
    message.surroundings.until_t_s = 100.0
    knowledge = Knowledge(message)
    assert [knowledge.in_shadow(t_s) for t_s in (5.0, 25.0, 101.0)] == [True, False, None]
    assert [knowledge.in_anomaly(t_s) for t_s in (5.0, 25.0, 101.0)] == [False, True, None]
    assert [len(getattr(knowledge.shadow(t_s), "eclipses", ())) for t_s in (5.0, 25.0, 35.0)] == [1, 1, 0]
    assert [len(getattr(knowledge.anomaly(t_s), "passes", ())) for t_s in (5.0, 25.0, 35.0)] == [1, 1, 0]


@pytest.mark.parametrize("fault", ["none", "half a vector", "nan", "speed", "no velocity"])
def test_an_unusable_update_is_refused_as_a_whole(fault: str) -> None:
    message = update()
    if fault == "none":
        message.ephemeris.Clear()
    elif fault == "half a vector":
        message.ephemeris.position_km.pop()
    elif fault == "nan":
        message.ephemeris.velocity_km_s[2] = math.nan
    elif fault == "speed":
        message.clock.speed = -1.0
    else:
        del message.ephemeris.velocity_km_s[:]
    with pytest.raises(UnusableUpdateError):
        Knowledge(message)
