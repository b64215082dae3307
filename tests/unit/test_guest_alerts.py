"""What a guest is told is the difference between what its node knew and what it knows."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pytest

from skyrack.node.guest.alerts import LEAD_S, AlertWatch, View
from skyrack.node.guest.service import is_local
from skyrack.node.knowledge import Knowledge
from skyrack.v1 import control_pb2, guest_pb2, mesh_pb2

SPEED = 4.0


def knowledge(
    neighbours: Iterable[str] = (),
    *,
    t0_s: float = 0.0,
    contacts: Iterable[tuple[str, float, float]] = (),
    until_s: float = 1000.0,
    eclipse: tuple[float, float] | None = None,
) -> Knowledge:
    update = control_pb2.NodeUpdate(forecast_until_t_s=until_s)
    update.clock.start.FromJsonString("2026-01-01T00:00:00Z")
    update.clock.speed = SPEED
    update.epoch.t0_s = t0_s
    update.ephemeris.position_km.extend([7000.0, 0.0, 0.0])
    update.ephemeris.velocity_km_s.extend([0.0, 7.5, 0.0])
    for name in neighbours:
        update.neighbours.add(name=name, kind=mesh_pb2.NODE_KIND_SATELLITE)
    for peer, start_t_s, end_t_s in contacts:
        update.forecast.add(peer=peer, start_t_s=start_t_s, end_t_s=end_t_s)
    if eclipse is not None:
        update.surroundings.eclipses.add(start_t_s=eclipse[0], end_t_s=eclipse[1])
        update.surroundings.until_t_s = until_s
    return Knowledge(update)


def told(alerts: Iterable[guest_pb2.Alert]) -> list[tuple[str, str]]:
    return [(guest_pb2.AlertKind.Name(one.kind).removeprefix("ALERT_KIND_"), one.peer) for one in alerts]


def ns(t_s: float) -> int:
    return round(t_s / SPEED * 1e9)


def look(before: View, after: View, t_s: float = 20.0) -> list[tuple[str, str]]:
    return told(AlertWatch(before).look(after, ns(t_s)))


def test_links_that_come_and_go_with_an_epoch_are_planned_and_of_its_begin() -> None:
    watch = AlertWatch(View(knowledge(["a", "b"])))
    alerts = watch.look(View(knowledge(["b", "c"], t0_s=15.0)), ns(15.1))
    assert told(alerts) == [("LINK_ENDED", "a"), ("LINK_BEGAN", "c")]
    assert [alert.t_s for alert in alerts] == [15.0, 15.0]
    assert alerts[0].time.ToJsonString() == "2026-01-01T00:00:15Z"
    assert watch.look(View(knowledge(["b", "c"], t0_s=15.0)), ns(15.2)) == []


@pytest.mark.parametrize(
    ("old", "lost_before", "new", "lost", "expected"),
    [
        ("ab", "", "ab", "a", [("LINK_LOST", "a")]),
        ("ab", "a", "ab", "", [("LINK_BACK", "a")]),
        ("ab", "a", "ab", "a", []),
        ("ab", "a", "b", "", []),  # it was to end, and had been lost before
        ("b", "", "ab", "a", [("LINK_LOST", "a")]),  # it was to begin, and is dark
        ("b", "a", "ab", "a", [("LINK_LOST", "a")]),
        ("b", "a", "ab", "", [("LINK_BEGAN", "a")]),
    ],
)
def test_what_is_lost_and_back_is_told_once_and_never_as_planned(
    old: str, lost_before: str, new: str, lost: str, expected: list[tuple[str, str]]
) -> None:
    before, after = View(knowledge(old), frozenset(lost_before)), View(knowledge(new), frozenset(lost))
    assert look(before, after) == expected


def test_the_first_word_of_the_orchestrator_is_no_news() -> None:
    assert look(View(attached=True), View(knowledge("ab"), joined=True, attached=True)) == []


def test_the_node_tells_of_itself() -> None:
    known = knowledge("a")
    up = View(known, joined=True, attached=True)
    assert look(up, View(known, joined=True)) == [("MESH_LOST", "")]
    assert look(View(known, joined=True), up) == [("MESH_BACK", "")]
    assert look(up, View(known, attached=True)) == [("ORCHESTRATOR_LOST", "")]
    assert look(View(known, attached=True), up) == [("ORCHESTRATOR_BACK", "")]
    last = View(knowledge("b"), joined=True, attached=True, stopping=True)
    assert look(up, last)[-1] == ("NODE_STOPPING", ""), "something comes after the last alert"
    assert look(View(), View(stopping=True)) == [("NODE_STOPPING", "")], "a node that knows nothing yet"


def test_contacts_are_announced_once_and_a_fixed_real_time_before() -> None:
    lead_t_s = LEAD_S * SPEED
    view = View(knowledge("a", contacts=[("a", -5.0, 100.0), ("b", 200.0, 1000.0)]))
    watch = AlertWatch(view)
    assert watch.look(view, ns(0.0)) == []
    assert watch.wait_s(ns(0.0)) == pytest.approx((100.0 - lead_t_s) / SPEED)
    [alert] = watch.look(view, ns(100.0 - lead_t_s))
    assert (told([alert]), alert.at_t_s) == ([("CONTACT_ENDS_SOON", "a")], 100.0)
    again = View(knowledge("a", contacts=[("a", 15.0, 100.0), ("b", 200.0, 1000.0)]))
    assert watch.look(again, ns(70.0)) == [], "the same contact, told of by the next update"
    assert told(watch.look(again, ns(200.0 - lead_t_s))) == [("CONTACT_BEGINS_SOON", "b")]
    assert watch.look(again, ns(995.0)) == [], "as far as the forecast reaches is no end"


def test_who_begins_to_watch_late_is_still_told_of_what_comes() -> None:
    view = View(knowledge(contacts=[("b", 21.0, 300.0)]))
    assert look(view, view, 20.0) == [("CONTACT_BEGINS_SOON", "b")]


def test_the_shadow_is_told_of_when_it_comes_and_goes() -> None:
    view = View(knowledge(eclipse=(100.0, 200.0)))
    watch = AlertWatch(view)
    assert watch.look(view, ns(50.0)) == []
    assert watch.wait_s(ns(50.0)) == pytest.approx(50.0 / SPEED)
    assert told(watch.look(view, ns(100.0))) == [("ECLIPSE_BEGAN", "")]
    assert watch.look(view, ns(150.0)) == []
    assert told(watch.look(view, ns(200.0))) == [("ECLIPSE_ENDED", "")]
    assert watch.wait_s(ns(200.0)) == math.inf


def test_nothing_is_said_of_a_shadow_that_is_not_known() -> None:
    view = View(knowledge(eclipse=(100.0, 200.0), until_s=300.0))
    watch = AlertWatch(view)
    watch.look(view, ns(150.0))
    assert view.knowledge is not None
    assert view.knowledge.in_shadow(301.0) is None
    assert watch.look(view, ns(301.0)) == []


@pytest.mark.parametrize(
    ("peer", "local"),
    [
        ("unix:", True),
        ("unix:/run/x.sock", True),
        ("ipv4:127.0.0.1:4711", True),
        ("ipv4:127.0.42.1:80", True),
        ("ipv6:%5B::1%5D:4711", True),
        ("ipv4:100.64.0.2:4711", False),
        ("ipv6:[fe80::1]:4711", False),
        ("", False),
        ("ipv4:", False),
    ],
)
def test_callers_on_the_mesh_are_not_taken_for_guests(peer: str, local: bool) -> None:
    assert is_local(peer) is local


def test_what_the_flight_software_decides_is_told_with_its_reason() -> None:
    def flown(mode: control_pb2.FlightMode.ValueType, cores: float | None, reason: str = "") -> View:
        return View(known, flight=control_pb2.FlightState(mode=mode, cpu_cores=cores, reason=reason))

    known = knowledge()
    nominal = flown(control_pb2.FLIGHT_MODE_NOMINAL, None)
    hot = flown(control_pb2.FLIGHT_MODE_THROTTLED, 0.8, "77 °C, above 70 °C")
    assert look(View(known), nominal) == [], "the first decision is no change"
    (alert,) = AlertWatch(nominal).look(hot, ns(20.0))
    assert (told([alert]), alert.text) == ([("FLIGHT_THROTTLED", "")], "77 °C, above 70 °C")
    assert look(hot, flown(control_pb2.FLIGHT_MODE_THROTTLED, 0.5)) == [("FLIGHT_THROTTLED", "")]
    assert look(hot, hot) == []
    assert look(hot, flown(control_pb2.FLIGHT_MODE_SAFE, 0.25)) == [("FLIGHT_SAFE", "")]
    assert look(hot, nominal) == [("FLIGHT_NOMINAL", "")]


def test_a_paused_clock_announces_nothing_and_nothing_twice() -> None:
    def at_speed(speed: float) -> View:
        update = control_pb2.NodeUpdate(forecast_until_t_s=1000.0)
        update.clock.speed, update.clock.since_t_s = speed, 20.0
        update.ephemeris.position_km.extend([7000.0, 0.0, 0.0])
        update.ephemeris.velocity_km_s.extend([0.0, 7.5, 0.0])
        update.forecast.add(peer="a", start_t_s=21.0, end_t_s=90.0)
        return View(Knowledge(update))

    watch = AlertWatch(at_speed(1.0))
    assert told(watch.look(at_speed(1.0), 0)) == [("CONTACT_BEGINS_SOON", "a")]
    assert watch.look(at_speed(0.0), 10**9) == []
    assert watch.wait_s(10**9) == math.inf
    assert watch.look(at_speed(1.0), 0) == []
