"""Store and forward: contacts as the epochs have them, and bytes that wait where they are stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from skyrack.orchestrator.routing.contact_plan import contact_plan
from skyrack.orchestrator.routing.paths import path_of
from skyrack.orchestrator.routing.strategies.contact_graph import Contact, earliest_legs
from skyrack.orchestrator.runtime.custody import (
    MOST_FAILURES,
    Custodian,
    LegFailedError,
    NoContactsError,
    in_run_time,
)
from skyrack.orchestrator.scenario import Scenario, load_scenario
from skyrack.orchestrator.topology.geometry import Geometry


def _bent_pipe() -> Geometry:
    """No lasers: satellites see stations only, so all that crosses an ocean is carried."""
    base = load_scenario("iridium").model_dump(mode="json")
    changes = {"links": {**base["links"], "laser_range_km": 1}, "routing": {"strategy": "contact-graph"}}
    return Geometry(Scenario.model_validate({**base, **changes, "inhabited": "all"}))


GEOMETRY = _bent_pipe()


def test_contacts_are_the_times_in_which_epochs_join_two_inhabited_nodes() -> None:
    contacts = contact_plan(GEOMETRY, 0.0, 900.0)
    london = GEOMETRY.index_of("london")
    for t_s in (0.5, 300.0, 777.0, 899.0):
        epoch = GEOMETRY.epoch(t_s)
        for node in range(GEOMETRY.n_nodes):
            path = path_of(epoch, node, london)
            now = [c for c in contacts if c.src == node and c.dst == london and c.t0_s <= t_s < c.t1_s]
            assert len(now) == (path is not None and node != london)
            if now and path is not None:
                assert (
                    now[0].delay_s >= float(GEOMETRY.delay_s(path[:-1], path[1:], epoch.t0_s).sum()) - 1e-12
                )
                assert now[0].rate_bps == 100e9


def test_what_has_no_way_now_is_carried_by_a_satellite() -> None:
    london, tokyo = GEOMETRY.index_of("london"), GEOMETRY.index_of("tokyo")
    assert path_of(GEOMETRY.epoch(0.0), london, tokyo) is None
    legs = earliest_legs(contact_plan(GEOMETRY, 0.0, 7200.0), london, tokyo, 0.0, 10**9)
    assert legs is not None
    assert len(legs) >= 2
    assert legs[-1].departs_s > 60.0
    for leg in legs:
        assert path_of(GEOMETRY.epoch(leg.departs_s + 1e-6), leg.src, leg.dst) is not None
    small = earliest_legs(contact_plan(GEOMETRY, 0.0, 7200.0), london, tokyo, 0.0, 1)
    assert small is not None
    assert small[-1].arrives_s <= legs[-1].arrives_s


class Clock:
    """Time that passes in `sleep` and in sends."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def run_s(self) -> float:
        return self.now_s

    def utc(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    async def sleep(self, seconds: float) -> None:
        self.now_s += max(0.0, seconds)


PLAN = [
    Contact(0, 1, 0.0, 5.0, 0.5, 80.0),
    Contact(1, 2, 20.0, 30.0, 0.5, 80.0),
    Contact(0, 2, 100.0, 110.0, 0.5, 80.0),
]


class World:
    """Sends take their time; those of `fails` fail once each."""

    def __init__(self, fails: set[tuple[int, int]] | None = None) -> None:
        self.clock, self.fails = Clock(), fails or set()
        self.sent: list[tuple[int, int, float]] = []
        self.custodian = Custodian(self.clock, self.contacts, self.send)
        self.for_ever = False

    async def contacts(self, run_s: float) -> Sequence[Contact]:
        return [contact for contact in PLAN if contact.t1_s > run_s]

    async def send(self, src: int, dst: int, size_bytes: int) -> None:
        self.sent.append((src, dst, self.clock.now_s))
        if (src, dst) in self.fails:
            if not self.for_ever:
                self.fails.remove((src, dst))
            raise LegFailedError("the laser went dark")
        self.clock.now_s += size_bytes * 8.0 / 80.0 + 0.5


async def test_each_leg_begins_when_its_contact_opens_and_the_store_waits() -> None:
    world = World()
    seen = [custody async for custody in world.custodian.carry(0, 2, 10)]
    assert world.sent == [(0, 1, 0.0), (1, 2, 20.0)]
    assert [(c.state, c.node) for c in seen] == [("waiting", 0), ("waiting", 1), ("delivered", 2)]
    assert seen[0].arrives_s == seen[-1].arrives_s == 21.5


async def test_a_failed_leg_is_tried_again_from_where_the_bytes_are() -> None:
    world = World({(1, 2)})
    assert [c.node async for c in world.custodian.carry(0, 2, 10)] == [0, 1, 1, 2]
    assert world.sent == [(0, 1, 0.0), (1, 2, 20.0), (1, 2, 21.0)]


async def test_without_contacts_and_with_legs_that_keep_failing_it_ends() -> None:
    with pytest.raises(NoContactsError, match="within the horizon"):
        async for _ in World().custodian.carry(2, 0, 1):
            pass
    world = World({(0, 1), (0, 2)})
    world.for_ever = True
    with pytest.raises(NoContactsError, match=f"{MOST_FAILURES} attempts"):
        async for _ in world.custodian.carry(0, 2, 1):
            pass


def test_run_time_is_orbit_time_over_speed_and_rates_stay() -> None:
    assert in_run_time(PLAN, 10.0)[1] == Contact(1, 2, 2.0, 3.0, 0.5, 80.0)
