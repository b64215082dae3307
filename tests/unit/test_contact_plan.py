"""Plans of contacts say what the epochs do, and the way of a bundle over them says why there is none."""

from __future__ import annotations

import numpy as np
import pytest

from skyrack.orchestrator.routing.bundle_route import NoBundleRouteError, bundle_route
from skyrack.orchestrator.routing.contact_plan import ContactPlan
from skyrack.orchestrator.routing.contacts import Busy
from skyrack.orchestrator.routing.paths import path_of
from skyrack.orchestrator.scenario import Scenario, load_scenario
from skyrack.orchestrator.timeline import Timeline
from skyrack.orchestrator.topology.failures import Failures
from skyrack.orchestrator.topology.geometry import Geometry

SIZE = 10**9


def bent_pipe(speed: float = 1.0, inhabited: object = "all") -> Geometry:
    """No lasers: satellites see stations only, so all that crosses an ocean is carried."""
    base = load_scenario("iridium").model_dump(mode="json")
    links = {**base["links"], "laser_range_km": 1}
    changes = {
        "links": links,
        "routing": {"strategy": "contact-graph"},
        "speed": speed,
        "inhabited": inhabited,
    }
    return Geometry(Scenario.model_validate({**base, **changes}))


GEOMETRY = bent_pipe()
LONDON, TOKYO = GEOMETRY.index_of("london"), GEOMETRY.index_of("tokyo")
HORIZON_S = 7200.0


def test_contacts_are_the_times_in_which_epochs_join_two_inhabited_nodes() -> None:
    plan = ContactPlan(GEOMETRY, 0.0)
    plan.grow(900.0)
    contacts = [contact for contact in plan.contacts() if contact.dst == LONDON]
    for t_s in (0.5, 300.0, 777.0, 899.0):
        epoch = GEOMETRY.epoch(t_s)
        for node in range(GEOMETRY.n_nodes):
            path = path_of(epoch, node, LONDON)
            now = [c for c in contacts if c.src == node and c.t0_s <= t_s < c.t1_s]
            assert len(now) == (path is not None and node != LONDON)
            if now and path is not None:
                piece = int(np.searchsorted(now[0].bounds_s, t_s, side="right")) - 1
                light_s = float(GEOMETRY.delay_s(path[:-1], path[1:], t_s).sum())
                assert light_s - 1e-7 <= now[0].delay_s[piece] < light_s + 1e-3
                assert now[0].rate_bps[piece] == pytest.approx(100e9)


def test_rain_makes_another_piece_of_a_contact_and_not_another_contact() -> None:
    base = load_scenario("iridium").model_dump(mode="json")
    links = {**base["links"], "laser_range_km": 1}
    changes = {"inhabited": "all", "links": links, "weather": {"band": "e-band", "snr_db": 5}}
    geometry = Geometry(Scenario.model_validate({**base, **changes}))
    plan = ContactPlan(geometry, 0.0)
    plan.grow(3600.0)
    assert any(len(set(contact.rate_bps.tolist())) > 1 for contact in plan.contacts())


def test_bare_satellites_on_the_way_forward_and_store_nothing() -> None:
    """Through lasers all is joined at once, but a bare satellite is no contact of anybody."""
    geometry = Geometry(load_scenario("iridium"))
    plan = ContactPlan(geometry, 0.0)
    plan.grow(15.0)
    ends = {contact.src for contact in plan.contacts()} | {contact.dst for contact in plan.contacts()}
    assert ends == set(geometry.inhabited.tolist())
    a, b = geometry.index_of("london"), geometry.index_of("tokyo")
    (leg,) = bundle_route(plan, a, b, 0.0, 60.0, SIZE)
    assert leg.arrives_s < 0.2


def test_what_has_no_way_now_is_carried_by_a_satellite() -> None:
    assert path_of(GEOMETRY.epoch(0.0), LONDON, TOKYO) is None
    legs = bundle_route(ContactPlan(GEOMETRY, 0.0), LONDON, TOKYO, 0.0, HORIZON_S, SIZE)
    assert len(legs) >= 2
    assert legs[-1].departs_s > 60.0
    for leg in legs:
        assert path_of(GEOMETRY.epoch(leg.departs_s + 1e-6), leg.src, leg.dst) is not None
        assert path_of(GEOMETRY.epoch(leg.sent_s - 1e-6), leg.src, leg.dst) is not None


def test_a_short_plan_finds_the_way_that_a_long_one_does() -> None:
    long = ContactPlan(GEOMETRY, 0.0)
    long.grow(HORIZON_S)
    short = ContactPlan(GEOMETRY, 0.0)
    found = bundle_route(short, LONDON, TOKYO, 0.0, HORIZON_S, SIZE)
    assert found == bundle_route(long, LONDON, TOKYO, 0.0, HORIZON_S, SIZE)
    assert short.known_until_s < HORIZON_S


def test_orbits_turn_faster_and_light_and_rates_do_not() -> None:
    fast = bent_pipe(speed=10.0)
    slow_legs = bundle_route(ContactPlan(GEOMETRY, 0.0), LONDON, TOKYO, 0.0, HORIZON_S, 1)
    legs = bundle_route(ContactPlan(fast, 0.0), LONDON, TOKYO, 0.0, HORIZON_S / 10.0, 1)
    assert legs[-1].departs_s == pytest.approx(slow_legs[-1].departs_s / 10.0)
    took_s, slow_took_s = (way[-1].arrives_s - way[-1].departs_s for way in (legs, slow_legs))
    assert took_s == pytest.approx(slow_took_s, abs=1e-6)


def test_what_is_known_to_have_failed_is_gone_around_or_said() -> None:
    legs = bundle_route(ContactPlan(GEOMETRY, 0.0), LONDON, TOKYO, 0.0, HORIZON_S, SIZE)
    without = ContactPlan(GEOMETRY, 0.0, Failures(nodes=frozenset({legs[0].dst})))
    others = bundle_route(without, LONDON, TOKYO, 0.0, HORIZON_S, SIZE)
    assert legs[0].dst not in {leg.dst for leg in others}
    assert others[-1].arrives_s >= legs[-1].arrives_s
    cut = ContactPlan(GEOMETRY, 0.0, Failures(nodes=frozenset({TOKYO})))
    with pytest.raises(NoBundleRouteError, match="tokyo is known to be dark"):
        bundle_route(cut, LONDON, TOKYO, 0.0, HORIZON_S, SIZE)
    assert cut.known_until_s == 0.0, "and nobody looks for long"
    with pytest.raises(
        NoBundleRouteError, match="no contacts lead from london to tokyo within 60 s of orbit"
    ):
        bundle_route(ContactPlan(GEOMETRY, 0.0), LONDON, TOKYO, 0.0, 60.0, SIZE)


def test_why_there_is_no_way_is_said() -> None:
    plan = ContactPlan(GEOMETRY, 0.0)
    with pytest.raises(NoBundleRouteError, match="too short for 1000000000000000 bytes as a whole"):
        bundle_route(plan, LONDON, TOKYO, 0.0, HORIZON_S, 10**15)
    with pytest.raises(
        NoBundleRouteError, match=r"no room for 1000000000 bytes in the store of p\ds\d\d"
    ) as full:
        bundle_route(plan, LONDON, TOKYO, 0.0, HORIZON_S, SIZE, lambda node: False)
    assert full.value.full


def test_what_others_have_booked_is_not_counted_on() -> None:
    plan = ContactPlan(GEOMETRY, 0.0)
    legs = bundle_route(plan, LONDON, TOKYO, 0.0, HORIZON_S, SIZE)
    busy = [Busy(leg.src, leg.dst, leg.departs_s, leg.sent_s) for leg in legs]
    second = bundle_route(plan, LONDON, TOKYO, 0.0, HORIZON_S, SIZE, busy=busy)
    assert second[-1].arrives_s >= legs[-1].arrives_s
    taken = [Busy(c.src, c.dst, c.t0_s, c.t1_s) for c in plan.contacts() if c.dst == TOKYO]
    with pytest.raises(NoBundleRouteError, match="other bundles have booked"):
        bundle_route(plan, LONDON, TOKYO, 0.0, plan.known_until_s, SIZE, busy=taken)


def test_a_plan_of_a_clock_that_is_paused_has_the_contacts_of_now_for_as_long_as_it_looks() -> None:
    timeline = Timeline(1.0)
    timeline.change(40.0, speed=0.0)
    plan = ContactPlan(GEOMETRY, 50.0, timeline=timeline)
    plan.grow(3000.0)
    assert plan.known_until_s == 3000.0
    plan.grow(9000.0)
    moving = ContactPlan(GEOMETRY, 40.0)
    moving.grow(41.0)
    assert {(one.src, one.dst) for one in plan.contacts()} == {
        (one.src, one.dst) for one in moving.contacts()
    }
    assert all(one.bounds_s[0] == 50.0 and one.bounds_s[-1] == 9000.0 for one in plan.contacts())
