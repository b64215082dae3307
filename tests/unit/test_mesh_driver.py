"""What the fabric is told, and when: against a manual clock and a fabric that writes everything down."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from skyrack.orchestrator.fabric.client import FabricClient
from skyrack.orchestrator.fabric.engine import NO_LINK
from skyrack.orchestrator.routing.condition import AS_ALWAYS, Condition
from skyrack.orchestrator.routing.force_log import ForceLog
from skyrack.orchestrator.routing.views import News
from skyrack.orchestrator.runtime.mesh import (
    LEAD_S,
    LONGEST_SEGMENT_S,
    REROUTE_MARGIN_S,
    MeshDriver,
    link_capacity,
)
from skyrack.orchestrator.scenario import Scenario
from skyrack.orchestrator.timeline import Timeline
from skyrack.orchestrator.topology.epoch import Epoch
from skyrack.orchestrator.topology.failures import NO_FAILURES, Failures
from skyrack.orchestrator.topology.geometry import Geometry

SHELL = {"planes": 6, "slots": 11, "altitude_km": 780, "inclination_deg": 86.4, "walker": "star"}
GROUND = [
    {"name": "london", "lat_deg": 51.5, "lon_deg": -0.1},
    {"name": "tokyo", "lat_deg": 35.7, "lon_deg": 139.7},
]


def scenario(**more: Any) -> Scenario:
    """Six planes of eleven satellites and two stations; both stations and two satellites inhabited."""
    keys = {
        "version": 1,
        "name": "test",
        "shells": [SHELL],
        "ground": GROUND,
        "inhabited": {"count": 2},
    } | more
    return Scenario.model_validate(keys, strict=False)


class EnoughError(Exception):
    """The time that a test wanted to pass has passed."""


class ManualClock:
    """Time that passes only in `sleep`."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.until_s = 0.0

    def run_s(self) -> float:
        """Run time."""
        return self.now_s

    def utc(self) -> datetime:
        """Never asked."""
        return datetime(2026, 1, 1, tzinfo=UTC)

    async def sleep(self, seconds: float) -> None:
        """Time passes, up to `until_s`."""
        self.now_s += max(0.0, seconds)
        if self.now_s >= self.until_s:
            raise EnoughError
        await asyncio.sleep(0)


@dataclass
class Segment:
    """One call of set_segment."""

    at_s: float
    delay_s: NDArray[np.float64]
    slope: NDArray[np.float64]
    slack_s: float
    told_at_s: float


@dataclass
class WritingFabric:
    """Everything the driver said, in order."""

    clock: ManualClock
    capacity: int
    segments: list[Segment] = field(default_factory=list)
    routes: list[tuple[float, NDArray[np.uint32]]] = field(default_factory=list)
    links: list[tuple[float, list[int]]] = field(default_factory=list)
    ends: dict[int, tuple[int, int]] = field(default_factory=dict)
    adopted: list[tuple[NDArray[np.float64], NDArray[np.uint32]]] = field(default_factory=list)
    parameters: list[tuple[float, list[int]]] = field(default_factory=list)
    # Of `parameters`: time per byte and loss of each link.
    values: list[dict[int, tuple[float, float]]] = field(default_factory=list)
    extra_s: list[dict[int, float]] = field(default_factory=list)  # likewise: added to the delay
    adoptions_told_s: list[float] = field(default_factory=list)
    ahead: list[bool] = field(default_factory=list)  # of `parameters`: whether a recall makes them void
    recalls: list[tuple[float, float]] = field(default_factory=list)  # after when, and when that was told
    full_for: int = 0  # so many adoptions are refused

    def __post_init__(self) -> None:
        names = ("src", "dst", "rate_bps", "queue_bytes", "queue_bits", "loss_ratio", "byte_scale", "seed")
        self.arrays: dict[str, NDArray[np.float64]] = _Growing(2 * self.capacity, names)

    def set_links(self, at_s: float, ids: list[int]) -> None:
        """Note it."""
        self.links.append((at_s, list(ids)))

    def set_segment(
        self, at_s: float, delay_s: NDArray[np.float64], slope: NDArray[np.float64], slack_s: float
    ) -> None:
        """Note it."""
        self.segments.append(Segment(at_s, delay_s.copy(), slope.copy(), slack_s, self.clock.now_s))

    def set_routes(self, at_s: float, table: NDArray[np.uint32]) -> None:
        """Note it."""
        self.routes.append((at_s, table.copy()))

    def adopt_routes(self, at_s: NDArray[np.float64], table: NDArray[np.uint32]) -> None:
        """Note it, or have no room for it."""
        if self.full_for > 0:
            self.full_for -= 1
            raise RuntimeError("no room")
        self.adopted.append((at_s.copy(), table.copy()))
        self.adoptions_told_s.append(self.clock.now_s)

    def recall(self, after_s: float) -> None:
        """Note it, and forget what is void."""
        self.recalls.append((after_s, self.clock.now_s))
        self.segments = [one for one in self.segments if one.at_s <= after_s]
        self.routes = [one for one in self.routes if one[0] <= after_s]
        self.links = [one for one in self.links if one[0] <= after_s]
        kept = [i for i, (at_s, _) in enumerate(self.parameters) if at_s <= after_s or not self.ahead[i]]
        self.parameters = [self.parameters[i] for i in kept]
        self.values = [self.values[i] for i in kept]
        self.extra_s = [self.extra_s[i] for i in kept]
        self.ahead = [self.ahead[i] for i in kept]

    def set_parameters(self, at_s: float, ids: list[int], *, ahead: bool = False) -> None:
        """Note it."""
        self.ahead.append(ahead)
        self.parameters.append((at_s, list(ids)))
        s_per_byte, loss_ratio = self.arrays["s_per_byte"], self.arrays["loss_ratio"]
        self.values.append({number: (float(s_per_byte[number]), float(loss_ratio[number])) for number in ids})
        self.extra_s.append({number: float(self.arrays["extra_s"][number]) for number in ids})

    def told(self, number: int, at_s: float) -> tuple[float, float] | None:
        """Loss and extra delay of a link in use at `at_s`, by the last message that made them so; None: by the memory."""
        found, since_s = None, max((t for t, ids in self.links if number in ids and t <= at_s), default=0.0)
        latest_s = -np.inf
        for (begins_s, ids), values, extra_s in zip(self.parameters, self.values, self.extra_s, strict=True):
            if number in ids and since_s <= begins_s <= at_s and begins_s >= latest_s:
                found, latest_s = (values[number][1], extra_s[number]), begins_s
        return found


class _Growing(dict[str, NDArray[np.float64]]):
    """An array of links for whatever name is asked for."""

    def __init__(self, size: int, names: tuple[str, ...]) -> None:
        super().__init__({name: np.zeros(size) for name in names})
        self._size = size

    def __missing__(self, name: str) -> NDArray[np.float64]:
        self[name] = np.zeros(self._size)
        return self[name]


@dataclass
class Bench:
    """A driver with everything around it."""

    driver: MeshDriver
    geometry: Geometry
    fabric: WritingFabric
    clock: ManualClock
    in_force: list[tuple[float, Epoch]]
    timeline: Timeline

    async def drive(self, until_s: float) -> None:
        """Let the driver run until this much run time has passed."""
        self.clock.until_s = until_s
        with pytest.raises(EnoughError):
            await self.driver.run()


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    """The geometry's worker."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


def bench(executor: ThreadPoolExecutor, **more: Any) -> Bench:
    """A driver of the test scenario."""
    chosen = scenario(**more)
    geometry, clock, timeline = Geometry(chosen), ManualClock(), Timeline(chosen.speed)
    capacity = link_capacity(geometry.n_sat, geometry.n_nodes - geometry.n_sat)
    fabric = WritingFabric(clock, capacity)
    in_force: list[tuple[float, Epoch]] = []
    stand_in = cast(FabricClient, fabric)
    driver = MeshDriver(
        chosen,
        geometry,
        timeline,
        stand_in,
        clock,
        executor,
        capacity,
        lambda at_s, epoch: in_force.append((at_s, epoch)),
    )
    return Bench(driver, geometry, fabric, clock, in_force, timeline)


@pytest.mark.parametrize("speed", [0.1, 1.0, 10.0, 1000.0])
async def test_intervals_meet_and_epochs_begin_exactly_where_the_geometry_has_them(
    executor: ThreadPoolExecutor, speed: float
) -> None:
    it = bench(executor, speed=speed)
    await it.drive({0.1: 130.0, 1.0: 40.0, 10.0: 20.0, 1000.0: 0.5}[speed])
    segments = it.fabric.segments
    starts = [segment.at_s for segment in segments]
    assert starts[0] == 0.0
    assert all(0 < b - a <= LONGEST_SEGMENT_S + 1e-9 for a, b in itertools.pairwise(starts))
    boundaries = [epoch.t0_s for _, epoch in it.in_force]
    assert boundaries == sorted(set(boundaries))
    for (at_s, epoch), following in itertools.pairwise(it.in_force):
        assert epoch.t1_s == following[1].t0_s
        assert following[0] == pytest.approx(epoch.t1_s / speed, abs=1e-12)
        assert at_s in starts
    assert len(it.in_force) > 1
    for at_s, _ in it.fabric.routes:
        assert at_s in starts


async def test_delays_of_a_segment_are_the_orbits_at_both_its_ends(executor: ThreadPoolExecutor) -> None:
    it = bench(executor, speed=10.0)
    await it.drive(6.0)
    last = len(it.fabric.segments) - 1
    force = iter([*it.in_force, (1e9, it.in_force[-1][1])])
    _, epoch = next(force)
    begins_s, following = next(force)
    for i, segment in enumerate(it.fabric.segments[:last]):
        if segment.at_s >= begins_s:
            epoch = following
            begins_s, following = next(force)
        end_s = it.fabric.segments[i + 1].at_s
        lit = np.nonzero(segment.delay_s >= 0)[0]
        assert len(lit) == 2 * len(epoch.a)
        for a, b in list(zip(epoch.a.tolist(), epoch.b.tolist(), strict=True))[::17]:
            pair = it.driver.pair_number(a, b)
            assert pair is not None
            for number in (2 * pair, 2 * pair + 1):
                for at_s in (segment.at_s, end_s):
                    told = segment.delay_s[number] + segment.slope[number] * (at_s - segment.at_s)
                    true = float(it.geometry.delay_s([a], [b], at_s * 10.0)[0])
                    assert told == pytest.approx(true, abs=1e-12)


async def test_the_fabric_hears_of_everything_before_it_holds(executor: ThreadPoolExecutor) -> None:
    it = bench(executor)
    await it.drive(20.0)
    for segment in it.fabric.segments[4:]:
        assert segment.told_at_s <= segment.at_s - LEAD_S + LONGEST_SEGMENT_S + 1e-9
        assert segment.slack_s >= 0
        assert segment.slack_s < segment.delay_s[segment.delay_s >= 0].min()


async def test_a_dark_node_is_routed_around_now_and_in_what_was_sent_already(
    executor: ThreadPoolExecutor,
) -> None:
    it = bench(executor)
    await it.drive(10.5)
    path = it.geometry.epoch(10.5)
    ends = it.geometry.inhabited.tolist()
    row = path.row_of(ends[1])
    assert row is not None
    dark = int(path.next_hop[row][ends[0]])  # two satellites; between stations there may be no way
    assert dark >= 0
    sent = len(it.fabric.routes)
    now_s = it.clock.now_s
    await it.driver.set_failures(Failures(frozenset({dark})))
    told = it.fabric.routes[sent:]
    assert told[0][0] == pytest.approx(now_s + REROUTE_MARGIN_S)
    assert [at_s for at_s, _ in told] == sorted(at_s for at_s, _ in told)
    towards = [
        2 * pair + (a > b)
        for a, b in ((other, dark) for other in range(it.geometry.n_nodes))
        if (pair := it.driver.pair_number(min(a, b), max(a, b))) is not None
    ]
    assert towards
    dark_row = path.row_of(dark)
    for _, table in told:
        used = np.delete(table, dark_row, axis=0) if dark_row is not None else table
        assert not np.isin(used, towards).any()
    await it.driver.set_failures(Failures(frozenset({dark})))
    assert len(it.fabric.routes) == sent + len(told)  # nothing new: nothing told
    await it.drive(40.0)
    for _, table in it.fabric.routes[sent:]:
        used = np.delete(table, dark_row, axis=0) if dark_row is not None else table
        assert not np.isin(used, towards).any()
    await it.driver.set_failures(NO_FAILURES)
    assert np.isin(it.fabric.routes[-1][1], towards).any()


def _news(it: Bench, node: int, learns_s: NDArray[np.float64]) -> News:
    return News(Failures(frozenset({node})), NO_FAILURES, learns_s)


async def test_a_node_that_has_not_heard_keeps_its_routes_into_the_next_epoch(
    executor: ThreadPoolExecutor,
) -> None:
    it = bench(executor)
    await it.drive(10.5)
    n = it.geometry.n_nodes
    failures = Failures(frozenset({3}))
    learns_s = np.where(np.arange(n) % 2, it.clock.now_s + 0.5, np.inf)  # the others are cut off
    await it.driver.hear(_news(it, 3, learns_s))
    when_s, table = it.fabric.adopted[0]
    assert np.isfinite(when_s).tolist() == np.isfinite(learns_s).tolist()
    assert it.driver.told == failures
    epoch = it.geometry.epoch(10.5, failures)
    towards_nobody = epoch.next_hop < 0
    assert (table[towards_nobody] == NO_LINK).all(), "who adopts it avoids what has failed"

    late_s = np.where(np.arange(n) % 2, 12.5, 11.0)  # half of them hear only after the next epoch has begun
    await it.driver.hear(_news(it, 20, late_s))
    boundary = next(at_s for at_s, _ in reversed(it.fabric.routes) if at_s > it.clock.now_s)
    assert boundary == 12.0
    mixed = it.in_force[-1][1].next_hop
    knowing = it.geometry.epoch(13.0, Failures(frozenset({3, 20}))).next_hop
    unknowing = it.geometry.epoch(13.0, failures).next_hop
    odd, even = np.arange(n) % 2 == 1, np.arange(n) % 2 == 0
    assert (mixed[:, odd] == unknowing[:, odd]).all()
    even_knows = it.geometry.epoch(13.0, Failures(frozenset({20}))).next_hop
    assert (mixed[:, even] == even_knows[:, even]).all(), "they have heard of one and not of the other"
    assert any(
        (np.isfinite(when_s) == odd).all() and (when_s[odd] == 12.5).all() for when_s, _ in it.fabric.adopted
    ), "and the rest adopts it when it hears"
    assert (knowing != unknowing).any()


async def test_what_is_taken_back_is_adopted_by_nobody_and_other_news_stays(
    executor: ThreadPoolExecutor,
) -> None:
    it = bench(executor)
    await it.drive(10.5)
    n, now_s = it.geometry.n_nodes, it.clock.now_s
    heard_s = np.where(np.arange(n) % 2, now_s - 0.1, now_s + 0.2)  # half of them have heard already
    await it.driver.hear(_news(it, 20, heard_s))
    await it.driver.hear(_news(it, 3, np.full(n, now_s + 0.1)))
    told, adopted = len(it.fabric.routes), len(it.fabric.adopted)
    await it.driver.unhear(Failures(frozenset({3})))
    assert it.driver.told == Failures(frozenset({20}))
    at_s, table = it.fabric.routes[told]
    assert at_s == pytest.approx(now_s + REROUTE_MARGIN_S), "this supersedes what was to be adopted"
    knowing, unknowing = (it.geometry.epoch(10.5, one).next_hop for one in (_lost(20), NO_FAILURES))
    odd = np.arange(n) % 2 == 1
    mixed = np.where(odd, knowing, unknowing)
    (epoch,) = (epoch for begins_s, epoch in it.in_force if begins_s == at_s)
    assert (epoch.next_hop == mixed).all()
    assert (table[mixed < 0] == NO_LINK).all()
    ((when_s, _), *_) = it.fabric.adopted[adopted:]
    assert when_s[~odd] == pytest.approx(now_s + 0.2)
    assert not np.isfinite(when_s[odd]).any(), "who knew it goes on by what he knew"
    told = len(it.fabric.routes)
    await it.driver.unhear(Failures(frozenset({3})))
    assert len(it.fabric.routes) == told, "nothing to take back: nothing told"


def _lost(node: int) -> Failures:
    return Failures(frozenset({node}))


async def test_views_that_find_no_room_are_told_as_soon_as_there_is_some(
    executor: ThreadPoolExecutor,
) -> None:
    it = bench(executor)
    await it.drive(5.0)
    it.clock.until_s, it.fabric.full_for = 6.0, 2
    await it.driver.hear(_news(it, 3, np.full(it.geometry.n_nodes, 5.5)))
    assert it.fabric.full_for == 0
    assert len(it.fabric.adopted) == 1


async def test_a_fault_is_of_a_pair_whether_its_link_is_there_already_or_comes_later(
    executor: ThreadPoolExecutor,
) -> None:
    it = bench(executor)
    await it.drive(5.0)
    epoch = it.geometry.epoch(5.0)
    a, b = int(epoch.a[0]), int(epoch.b[0])
    pair = it.driver.pair_number(a, b)
    assert pair is not None
    later = next(
        (satellite, station)
        for station in (66, 67)
        for satellite in range(66)
        if it.driver.pair_number(satellite, station) is None
        and any(
            ((it.geometry.epoch(t).a == satellite) & (it.geometry.epoch(t).b == station)).any()
            for t in (30.0, 60.0, 120.0, 240.0)
        )
    )
    slow = Condition(extra_s=0.2, rate_bps=1e6, loss_ratio=0.5)
    it.driver.set_conditions(5.01, {(a, b): slow, (b, a): Condition(down=True), later: slow})
    assert it.fabric.parameters == [(5.01, [2 * pair, 2 * pair + 1])], "those in use, together"
    arrays = it.fabric.arrays
    assert arrays["extra_s"][2 * pair] == 0.2
    assert arrays["s_per_byte"][2 * pair] == 8.0 / 1e6
    assert arrays["loss_ratio"][2 * pair] == 0.5
    assert arrays["extra_s"][2 * pair + 1] == -np.inf
    await it.drive(250.0)
    number = it.driver.pair_number(*later)
    assert number is not None
    assert arrays["extra_s"][2 * number] == 0.2
    it.driver.set_conditions(250.0, {(a, b): AS_ALWAYS})
    assert arrays["extra_s"][2 * pair] == 0.0
    assert arrays["loss_ratio"][2 * pair] == 0.0


async def test_a_link_whose_rate_the_weather_changes_is_told_when_the_epoch_begins(
    executor: ThreadPoolExecutor,
) -> None:
    it = bench(executor, weather={"band": "ka", "snr_db": 5.0}, links={"elevation_mask_deg": 8.2})
    await it.drive(50.0)
    assert it.fabric.parameters
    at_s, ids = it.fabric.parameters[-1]
    assert at_s in (12.0, 27.0, 42.0)
    assert all(it.fabric.arrays["s_per_byte"][number] > 8.0 / 100e9 for number in ids)
    for number in ids:
        assert max(it.fabric.arrays["src"][number], it.fabric.arrays["dst"][number]) >= it.geometry.n_sat


async def test_a_link_that_is_announced_is_made_with_the_faults_of_the_instant_at_which_it_is_made(
    executor: ThreadPoolExecutor,
) -> None:
    it = bench(executor)
    while len(it.fabric.links) < 2 or it.fabric.links[-1][0] < it.clock.now_s + 0.5:
        await it.drive(it.clock.now_s + 0.1)
    made_s, ids = it.fabric.links[-1]
    src, dst = it.fabric.arrays["src"], it.fabric.arrays["dst"]
    way = (int(src[ids[0]]), int(dst[ids[0]]))
    it.driver.set_conditions(made_s - 0.4, {way: Condition(extra_s=0.2)})
    assert it.fabric.arrays["extra_s"][ids[0]] == 0.2
    assert not it.fabric.parameters, "a link that is not there yet cannot be changed"
    it.driver.set_conditions(made_s - 0.3, {way: AS_ALWAYS})
    assert it.fabric.arrays["extra_s"][ids[0]] == 0.0


async def test_a_fault_that_begins_after_the_weather_of_an_epoch_was_announced_outlasts_its_beginning(
    executor: ThreadPoolExecutor,
) -> None:
    it = bench(executor, weather={"band": "ka", "snr_db": 5.0}, links={"elevation_mask_deg": 8.2})
    while not it.fabric.parameters or it.fabric.parameters[-1][0] < it.clock.now_s + 0.5:
        await it.drive(it.clock.now_s + 0.1)
    begins_s, ids = it.fabric.parameters[-1]
    announced_s_per_byte, _ = it.fabric.values[-1][ids[0]]
    way = (int(it.fabric.arrays["src"][ids[0]]), int(it.fabric.arrays["dst"][ids[0]]))
    told = len(it.fabric.parameters)
    it.driver.set_conditions(begins_s - 0.4, {way: Condition(loss_ratio=0.5)})
    assert it.fabric.parameters[told:] == [(begins_s - 0.4, [ids[0]]), (begins_s, [ids[0]])]
    before, after = (values[ids[0]] for values in it.fabric.values[told:])
    assert after == (announced_s_per_byte, 0.5)
    assert before[1] == 0.5
    assert before[0] != announced_s_per_byte, "until then the weather is the old one"


async def test_a_link_whose_weather_clears_up_has_its_whole_rate_again(executor: ThreadPoolExecutor) -> None:
    it = bench(executor, weather={"band": "ka", "snr_db": 5.0}, links={"elevation_mask_deg": 8.2})
    await it.drive(13.0)
    assert it.fabric.parameters
    number = it.fabric.parameters[-1][1][0]
    whole = 8.0 / 100e9
    assert it.fabric.arrays["s_per_byte"][number] > whole
    epoch = it.geometry.epoch(it.clock.now_s)
    it.geometry.epoch = lambda t_s, failures=NO_FAILURES: replace(  # type: ignore[method-assign]
        epoch, t0_s=15.0, t1_s=60.0, share=None
    )
    await it.drive(40.0)
    assert it.fabric.arrays["s_per_byte"][number] == whole


async def test_a_second_fabric_is_told_the_epoch_in_force_and_every_link(
    executor: ThreadPoolExecutor,
) -> None:
    it = bench(executor)
    it.clock.now_s = 100.3
    await it.drive(101.0)
    assert it.fabric.segments[0].at_s == 100.0
    assert it.in_force[0][1].t0_s <= 100.0 < it.in_force[0][1].t1_s
    assert len(it.fabric.links[0][1]) == 2 * len(it.in_force[0][1].a)
    assert (it.fabric.routes[0][1] != NO_LINK).any()


async def test_a_driver_that_was_held_up_does_not_stay_behind(executor: ThreadPoolExecutor) -> None:
    it = bench(executor, speed=1000.0)
    await it.drive(0.3)
    it.clock.now_s += 30.0
    held_up = len(it.fabric.segments)
    await it.drive(30.5)
    skipped = it.fabric.segments[held_up:]
    assert skipped[0].at_s == pytest.approx(30.3, abs=0.2)
    assert len(skipped) < 600, "every moment it missed is told"


async def test_no_links_at_all_is_a_mesh_too(executor: ThreadPoolExecutor) -> None:
    alone = {"planes": 1, "slots": 1, "altitude_km": 550, "inclination_deg": 53}
    it = bench(executor, shells=[alone], ground=[], inhabited="all")
    await it.drive(20.0)
    assert all((segment.delay_s < 0).all() for segment in it.fabric.segments)
    assert all((table == NO_LINK).all() for _, table in it.fabric.routes)


async def test_zero_delay_and_extra_delay_are_exactly_that(executor: ThreadPoolExecutor) -> None:
    first = Geometry(scenario()).epoch(0.0)
    names = Geometry(scenario()).names
    a, b = int(first.a[0]), int(first.b[0])
    links = {"zero_delay": True, "extra_delay": [{"a": names[a], "b": names[b], "extra_ms": 1.0}]}
    it = bench(executor, links=links)
    await it.drive(2.0)
    pair = it.driver.pair_number(a, b)
    assert pair is not None
    segment = it.fabric.segments[0]
    assert segment.delay_s[2 * pair] == segment.delay_s[2 * pair + 1] == 0.001
    assert set(segment.delay_s.tolist()) == {-1.0, 0.0, 0.001}


class _SlowPool(ThreadPoolExecutor):
    """A worker on a busy host: every computation takes a while."""

    def __init__(self) -> None:
        super().__init__(1)
        self.clock: ManualClock | None = None

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Time passes with every job."""
        if self.clock is not None:
            self.clock.now_s += 0.08
        return super().submit(fn, *args, **kwargs)


async def test_nobody_is_told_of_an_instant_that_has_passed_while_routes_were_computed() -> None:
    """Else the fabric would be late, and the oracle would not know."""
    with _SlowPool() as pool:
        it = bench(pool)
        await it.drive(10.5)
        pool.clock = it.clock
        dead, n_nodes, now_s = int(it.geometry.epoch(10.5).a[0]), it.geometry.n_nodes, it.clock.now_s
        learns_s = now_s + np.linspace(0.0, 0.06, n_nodes)
        learns_s[dead] = np.inf
        late_s = await it.driver.hear(News(Failures(frozenset({dead})), NO_FAILURES, learns_s))
    assert it.fabric.adopted
    for told_s, (when_s, _) in zip(it.fabric.adoptions_told_s, it.fabric.adopted, strict=True):
        assert when_s.min() >= told_s + REROUTE_MARGIN_S
        assert (when_s >= learns_s).all()
    assert late_s == pytest.approx(0.08 + REROUTE_MARGIN_S, abs=0.006)


DISTURBED = {
    "antennas": 1,
    "elevation_mask_deg": 8.2,
    "loss_ratio": 0.01,
    "disturbance_loss_ratio": 0.2,
    "disturbance_extra_ms": 30.0,
}


@pytest.mark.parametrize("speed", [1.0, 10.0])
async def test_ground_links_are_disturbed_around_every_boundary_and_lasers_never(
    executor: ThreadPoolExecutor, speed: float
) -> None:
    """Those that go on, those that are new, those that are lit once more: what was told last of each is what holds."""
    it = bench(executor, links=DISTURBED, speed=speed)
    await it.drive(90.0 / speed)
    checked = {True: 0, False: 0}
    for number in range(1, 6):
        boundary_s = it.geometry.grid_clock.boundary_s(number)
        for by_s in (-0.2, -0.141, -0.139, -0.001, 0.001, 0.074, 0.076, 0.4, 7.0):
            t_s = boundary_s + by_s
            disturbed = -0.14 <= by_s < 0.075
            epoch = it.geometry.epoch(t_s)
            for a, b in zip(epoch.a.tolist(), epoch.b.tolist(), strict=True):
                pair = it.driver.pair_number(a, b)
                assert pair is not None
                for direction in (2 * pair, 2 * pair + 1):
                    told = it.fabric.told(direction, t_s / speed)
                    if b < it.geometry.n_sat:
                        assert told is None
                        continue
                    assert told == pytest.approx((0.208, 0.03) if disturbed else (0.01, 0.0))
                    checked[disturbed] += 1
    assert min(checked.values()) > 50


async def test_a_fault_of_a_ground_link_outlasts_a_disturbance_that_was_announced_before_it(
    executor: ThreadPoolExecutor,
) -> None:
    it = bench(executor, links=DISTURBED)
    boundary_s = it.geometry.grid_clock.boundary_s(1)
    await it.drive(boundary_s - 0.5)
    epoch = it.geometry.epoch(boundary_s - 0.5)
    link = int(np.nonzero(epoch.b >= it.geometry.n_sat)[0][0])
    a, b = int(epoch.a[link]), int(epoch.b[link])
    pair = it.driver.pair_number(a, b)
    assert pair is not None
    it.driver.set_conditions(boundary_s - 0.4, {(a, b): Condition(extra_s=0.2, loss_ratio=0.5)})
    expected = {-0.3: (0.505, 0.2), 0.0: (0.604, 0.23), 0.1: (0.505, 0.2)}
    for by_s, values in expected.items():
        assert it.fabric.told(2 * pair, boundary_s + by_s) == pytest.approx(values), by_s
    assert it.fabric.told(2 * pair + 1, boundary_s + 0.1) == pytest.approx((0.01, 0.0)), "the other direction"


async def test_a_link_that_is_lit_for_what_is_under_way_carries_and_no_way_in_force_crosses_it(
    executor: ThreadPoolExecutor,
) -> None:
    it = bench(executor, links={"antennas": 1, "elevation_mask_deg": 8.2})
    await it.drive(900.0)
    seen = 0
    for at_s, epoch in it.in_force[:-1]:
        if epoch.routed is None:
            continue
        segment = next(s for s in it.fabric.segments if s.at_s == at_s)
        table = next(table for t_s, table in it.fabric.routes if t_s == at_s)
        for link in np.nonzero(~epoch.routed)[0].tolist():
            pair = it.driver.pair_number(int(epoch.a[link]), int(epoch.b[link]))
            assert pair is not None
            assert segment.delay_s[2 * pair] > 0.0
            assert (table[:, epoch.b[link]] != 2 * pair + 1).all(), "the station sends over the new one"
            seen += 1
    assert seen > 1


AHEAD_S = 0.1  # a change of the clock is told so long before it holds


async def turn(it: Bench, *, speed: float | None = None, jump_s: float | None = None) -> float:
    """Change the clock as a run does; returns when that holds."""
    at_s = it.clock.now_s + AHEAD_S
    t_s = None if jump_s is None else it.timeline.t_s(at_s) + jump_s
    it.timeline.change(at_s, speed=speed, t_s=t_s)
    await it.driver.turn(at_s)
    return at_s


def require_the_orbits(it: Bench, first_s: float, last_s: float) -> None:
    """Links in force, routes and delays are those of the timeline at instants of a stretch; links were made before."""
    segments, log = sorted(it.fabric.segments, key=lambda segment: segment.at_s), ForceLog()
    for since_s, told in it.in_force:
        log.record(since_s, told)
    for at_s in np.linspace(first_s, last_s - 1e-3, 40).tolist():
        segment = [one for one in segments if one.at_s <= at_s][-1]
        in_force, t_s = log.epoch_at(at_s), it.timeline.t_s(at_s)
        assert in_force is not None
        epoch = in_force
        assert epoch.t0_s - 1e-5 <= t_s < epoch.t1_s + 1e-5
        true_s = it.geometry.delay_s(epoch.a, epoch.b, t_s)
        lit = np.nonzero(segment.delay_s >= 0)[0]
        assert len(lit) == 2 * len(epoch.a)
        for a, b, delay_s in zip(epoch.a.tolist(), epoch.b.tolist(), true_s.tolist(), strict=True):
            pair = it.driver.pair_number(a, b)
            assert pair is not None
            told_s = segment.delay_s[2 * pair] + segment.slope[2 * pair] * (at_s - segment.at_s)
            assert told_s == pytest.approx(delay_s, abs=2e-5), "within the curvature of a segment"
            assert any(2 * pair in ids for made_s, ids in it.fabric.links if made_s <= at_s)


async def test_wherever_orbit_time_turns_the_fabric_has_the_orbits_from_that_instant_on(
    executor: ThreadPoolExecutor,
) -> None:
    it = bench(executor)
    await it.drive(11.0)  # an epoch ends at 12: links and routes of the next one have been told
    since_s = it.fabric.segments[0].at_s
    for speed, jump_s, seconds in (
        (0.0, None, 20.0),  # what was told of 12 s and later is void
        (None, 2000.0, 3.0),  # other links and routes at once, and still paused
        (60.0, None, 2.0),
        (None, 1234.5, 1.0),
        (1000.0, None, 0.3),
        (0.5, None, 8.0),
        (1.0, None, 20.0),
    ):
        at_s = await turn(it, speed=speed, jump_s=jump_s)
        require_the_orbits(it, since_s, at_s)
        await it.drive(at_s + seconds)
        since_s = at_s
    require_the_orbits(it, since_s, it.clock.now_s)
    made = 0
    for _, ids in sorted(it.fabric.links, key=lambda order: order[0]):
        for number in ids:
            assert number <= made, "the fabric makes links in the order of their numbers"
            made = max(made, number + 1)


async def test_a_paused_clock_keeps_delays_and_routes_and_goes_on_where_it_stood(
    executor: ThreadPoolExecutor,
) -> None:
    it = bench(executor)
    await it.drive(11.0)
    paused_s = await turn(it, speed=0.0)
    await it.drive(60.0)
    still = [segment for segment in it.fabric.segments if segment.at_s >= paused_s]
    assert len(still) > 40
    for segment in still:
        assert not segment.slope.any()
        assert (segment.delay_s == still[0].delay_s).all()
    assert [at_s for at_s, _ in it.fabric.routes if at_s >= paused_s] == [paused_s], "no handover"
    resumed_s = await turn(it, speed=1.0)
    await it.drive(resumed_s + 3.0)
    (_, begins_s) = [at_s for at_s, _ in it.fabric.routes if at_s >= resumed_s]
    assert begins_s == pytest.approx(12.0 - paused_s + resumed_s)


async def test_a_fault_that_was_told_for_later_outlasts_a_turn(executor: ThreadPoolExecutor) -> None:
    """A recall is of what orbits do."""
    it = bench(executor)
    await it.drive(11.0)
    epoch = it.geometry.epoch(11.0)
    a, b = int(epoch.a[0]), int(epoch.b[0])
    begins_s = it.clock.now_s + 0.5
    it.driver.set_conditions(begins_s, {(a, b): Condition(extra_s=0.2)})
    pair = it.driver.pair_number(a, b)
    assert pair is not None
    await turn(it, jump_s=0.25)
    assert it.fabric.told(2 * pair, begins_s + 1.0) == pytest.approx((0.0, 0.2))


async def test_a_fabric_that_starts_after_a_turn_is_told_nothing_of_before(
    executor: ThreadPoolExecutor,
) -> None:
    it = bench(executor)
    it.timeline.change(20.3, t_s=3000.0)
    it.clock.now_s = 20.5
    await it.drive(25.0)
    assert it.fabric.segments[0].at_s == 20.3
    require_the_orbits(it, 20.5, 25.0)
