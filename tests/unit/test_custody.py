"""Store and forward in virtual time: bytes wait where they are stored, and go on when a contact begins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import pytest

from skyrack.orchestrator.routing.bundle_route import NoBundleRouteError
from skyrack.orchestrator.routing.contact_search import earliest_legs
from skyrack.orchestrator.routing.contacts import Busy, Contact, Leg, free
from skyrack.orchestrator.runtime.custody import (
    GRACE_S,
    LEAD_S,
    RETRY_S,
    BundleExpiredError,
    BundleLostError,
    Custodian,
)
from skyrack.orchestrator.runtime.stores import Stores
from skyrack.orchestrator.topology.failures import NO_FAILURES, Failures

SIZE = 10  # bytes; a second at 80 bit/s
SRC, MIDDLE, DST, OTHER = range(4)


def contact(src: int, dst: int, t0_s: float, t1_s: float) -> Contact:
    return Contact(src, dst, np.array([t0_s, t1_s]), np.array([0.5]), np.array([80.0]))


PLAN = [
    contact(SRC, MIDDLE, 0.0, 5.0),
    contact(MIDDLE, DST, 20.0, 30.0),
    contact(SRC, OTHER, 8.0, 15.0),
    contact(OTHER, DST, 40.0, 50.0),
    contact(SRC, DST, 100.0, 110.0),
]


class Clock:
    """Time that passes in `sleep` and in sends; at some instants something happens."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.then: list[tuple[float, Callable[[], None]]] = []

    def run_s(self) -> float:
        return self.now_s

    def utc(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    async def sleep(self, seconds: float) -> None:
        self.now_s += max(0.0, seconds)
        for happening in [one for one in self.then if one[0] <= self.now_s]:
            self.then.remove(happening)
            happening[1]()


class Planner:
    """Searches PLAN without what is known to have failed."""

    horizon_s = 200.0

    async def find(
        self,
        src: int,
        dst: int,
        now_s: float,
        until_s: float,
        size_bytes: int,
        failures: Failures,
        stores: Callable[[int], bool],
        busy: Iterable[Busy],
    ) -> tuple[Leg, ...]:
        await asyncio.sleep(0)
        known = [c for c in PLAN if not {c.src, c.dst} & failures.nodes]
        legs = earliest_legs(free(known, busy), src, dst, now_s, size_bytes, stores)
        if legs is None or legs[-1].arrives_s > until_s:
            raise NoBundleRouteError("no contacts lead there")
        return legs


@dataclass(frozen=True)
class Crossing:
    state: str
    delivered_bytes: int
    at_s: float
    resent_bytes: int = 0


@dataclass
class World:
    """`dead`: legs over which nothing comes, though they are planned."""

    clock: Clock = field(default_factory=Clock)
    stores: Stores = field(default_factory=lambda: Stores(100))
    failures: Failures = NO_FAILURES
    dead: set[tuple[int, int]] = field(default_factory=set)
    fabric: bool = True

    def __post_init__(self) -> None:
        self.sent: list[tuple[int, int, float]] = []
        self.told: list[tuple[str, int]] = []
        self.custodian = Custodian(
            self.clock,
            Planner(),
            self.stores,
            self.send,
            lambda a, b: (a, b) not in self.dead,
            lambda: self.failures,
            lambda event, bundle, fields: self.told.append((event, bundle.here)),
        )

    async def send(
        self, at_s: float, src: int, dst: int, size_bytes: int, traffic_class: int
    ) -> AsyncGenerator[Crossing, None]:
        at_s = max(at_s, self.clock.now_s)
        self.sent.append((src, dst, at_s))
        if not self.fabric:
            return
        await self.clock.sleep(at_s + 0.5 - self.clock.now_s)
        yield Crossing("running", size_bytes // 2, at_s + 0.5)
        while (src, dst) in self.dead:
            await self.clock.sleep(0.1)
            yield Crossing("running", size_bytes // 2, self.clock.now_s)
        await self.clock.sleep(at_s + 1.5 - self.clock.now_s)
        yield Crossing("done", size_bytes, at_s + 1.5)

    async def carry(self) -> list[tuple[int, int | None]]:
        """Where the bundle was and where it was to go next, each once in a row."""
        seen: list[tuple[int, int | None]] = []
        async for bundle in self.custodian.carry(1, SRC, DST, SIZE):
            now = bundle.here, bundle.legs[0].dst if bundle.legs else None
            if not seen or seen[-1] != now:
                seen.append(now)
        return seen


async def test_each_leg_begins_when_its_contact_does_and_the_store_waits() -> None:
    world = World()
    assert await world.carry() == [(SRC, MIDDLE), (MIDDLE, DST), (DST, None)]
    assert world.sent == [(SRC, MIDDLE, 0.0), (MIDDLE, DST, 20.0)]
    assert world.told == [("bundle_routed", SRC), ("bundle_stored", MIDDLE)]
    assert set(world.stores.used_bytes.values()) == {0}, "what has gone on takes no room"
    assert set(world.stores.bundles.values()) == {0}


async def test_the_fabric_is_told_before_a_contact_begins_so_that_none_of_it_is_missed() -> None:
    world = World()
    world.clock.now_s = 16.0
    asked_s: list[float] = []
    send = world.custodian._send

    def listen(
        at_s: float, src: int, dst: int, size_bytes: int, traffic_class: int
    ) -> AsyncGenerator[object, None]:
        asked_s.append(world.clock.now_s)
        return send(at_s, src, dst, size_bytes, traffic_class)

    world.custodian._send = listen  # type: ignore[assignment]
    assert await world.carry() == [(SRC, DST), (DST, None)]
    assert asked_s == [pytest.approx(100.0 - LEAD_S)]


async def test_what_is_stored_and_what_is_on_its_way_there_takes_room() -> None:
    world = World()
    used: list[dict[int, int]] = []
    async for bundle in world.custodian.carry(1, SRC, DST, SIZE):
        used.append({n: b for n, b in world.stores.used_bytes.items() if b})
        if bundle.crossing is not None:
            assert world.stores.used_bytes.get(SRC, 0) + world.stores.used_bytes[MIDDLE] >= SIZE
    assert {SRC: SIZE} in used
    assert {SRC: SIZE, MIDDLE: SIZE} in used, "until all of it has been taken in custody both have it"
    assert {MIDDLE: SIZE} in used


async def test_a_contact_that_is_known_to_fail_is_gone_around_while_waiting() -> None:
    world = World()
    world.clock.now_s = 6.0  # the first contact is over: by OTHER, from 8 s on

    def fails() -> None:
        world.failures = Failures(nodes=frozenset({OTHER}))

    world.clock.then.append((7.0, fails))
    assert await world.carry() == [(SRC, OTHER), (SRC, DST), (DST, None)]
    assert world.sent == [(SRC, DST, 100.0)]


async def test_a_contact_that_does_not_take_place_leaves_everything_where_it_was() -> None:
    world = World(dead={(SRC, MIDDLE)})
    assert await world.carry() == [(SRC, MIDDLE), (SRC, OTHER), (OTHER, DST), (DST, None)]
    src, dst, at_s = world.sent[-2]
    assert (src, dst, at_s) == (SRC, OTHER, 8.0)
    missed = [told for told in world.told if told[0] == "contact_missed"]
    assert missed
    assert {here for _, here in missed} == {SRC}
    assert all(used == 0 for used in world.stores.used_bytes.values())


async def test_half_a_bundle_that_came_in_vain_is_counted_as_sent_again() -> None:
    world = World(dead={(SRC, MIDDLE)})
    resent = [bundle.resent_bytes async for bundle in world.custodian.carry(1, SRC, DST, SIZE)]
    missed = sum(event == "contact_missed" for event, _ in world.told)
    assert missed
    assert resent[-1] == missed * SIZE // 2


async def test_without_a_fabric_it_waits_and_goes_on_with_the_next_one() -> None:
    world = World(fabric=False)

    def up() -> None:
        world.fabric = True

    world.clock.then.append((2.5, up))
    assert (await world.carry())[-1] == (DST, None)
    tries_s = [at_s for src, dst, at_s in world.sent if (src, dst) == (SRC, MIDDLE)]
    assert len(tries_s) > 1
    assert min(np.diff(tries_s)) >= GRACE_S - 1e-9, "not at once and again"


async def test_what_the_node_that_has_it_takes_with_it_is_lost() -> None:
    world = World()
    world.clock.then.append((10.0, lambda: world.custodian.ended(MIDDLE)))
    with pytest.raises(BundleLostError) as lost:
        await world.carry()
    assert lost.value.args == (MIDDLE,)
    assert all(used == 0 for used in world.stores.used_bytes.values())


async def test_the_end_of_a_node_that_has_nothing_of_it_harms_nothing() -> None:
    world = World()
    world.clock.then.append((10.0, lambda: world.custodian.ended(OTHER)))
    assert (await world.carry())[-1] == (DST, None)


async def test_stranded_it_waits_for_better_news_and_expires_without() -> None:
    world = World()

    def fails() -> None:
        world.failures = Failures(nodes=frozenset({DST}))

    def back() -> None:
        world.failures = NO_FAILURES

    world.clock.then += [(10.0, fails), (22.0, back)]
    assert await world.carry() == [(SRC, MIDDLE), (MIDDLE, DST), (MIDDLE, None), (MIDDLE, DST), (DST, None)]
    assert world.sent[-1][2] == pytest.approx(22.0, abs=RETRY_S)
    world = World()
    world.clock.then.append((10.0, fails))
    with pytest.raises(BundleExpiredError) as expired:
        await world.carry()
    assert expired.value.args == (MIDDLE,)
    assert world.clock.now_s == pytest.approx(Planner.horizon_s, abs=1.0)


async def test_what_fails_before_the_wait_begins_is_noticed_as_well() -> None:
    world = World()
    world.clock.now_s = 6.0
    news = world.custodian.carry(1, SRC, DST, SIZE)
    assert (await anext(news)).legs[0].dst == OTHER
    world.failures = Failures(nodes=frozenset({OTHER}))
    assert (await anext(news)).legs[0].dst == DST
    await news.aclose()


async def test_stored_where_nothing_leads_on_it_is_stranded_and_says_so() -> None:
    world = World()

    def fails() -> None:
        world.failures = Failures(nodes=frozenset({DST}))

    world.clock.then.append((1.4, fails))
    with pytest.raises(BundleExpiredError):
        await world.carry()
    assert ("bundle_stranded", MIDDLE) in world.told


async def test_a_store_that_is_reached_late_looks_for_the_next_contact() -> None:
    world = World()
    world.clock.then.append((1.0, lambda: setattr(world.clock, "now_s", 20.5)))
    assert (await world.carry())[-1] == (DST, None)
    assert ("bundle_routed", MIDDLE) in world.told
    assert world.sent[-1] == (MIDDLE, DST, 20.5)


async def test_a_full_store_is_gone_around_and_the_own_one_refuses() -> None:
    world = World()
    assert world.stores.take(MIDDLE, 95)
    assert await world.carry() == [(SRC, OTHER), (OTHER, DST), (DST, None)]
    assert world.stores.take(SRC, 95)
    with pytest.raises(NoBundleRouteError, match="its own store has 95 of 100 bytes in custody") as refused:
        await world.carry()
    assert refused.value.full == (SRC,)
    assert world.stores.used_bytes[SRC] == 95


async def test_a_store_that_fills_up_before_the_contact_is_gone_around() -> None:
    world = World()
    world.clock.now_s = 6.0

    def fills_up() -> None:
        assert world.stores.take(OTHER, 95)

    world.clock.then.append((7.0, fills_up))
    assert await world.carry() == [(SRC, OTHER), (SRC, DST), (DST, None)]


async def test_the_second_bundle_comes_after_the_first_on_a_contact() -> None:
    world = World()
    one, other = (world.custodian.carry(number, SRC, DST, SIZE) for number in (1, 2))
    first, second = await asyncio.gather(anext(one), anext(other))
    assert first.legs[0].sent_s <= second.legs[0].departs_s
    assert first.legs[1].sent_s <= second.legs[1].departs_s
    await one.aclose()
    await other.aclose()
    assert set(world.stores.used_bytes.values()) == {0}, "who gives up takes no room"
