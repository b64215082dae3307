"""Which probes the oracle does not judge: those that flew where a moment decided what became of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest

from skyrack.orchestrator.routing.condition import AS_ALWAYS, Condition
from skyrack.orchestrator.routing.cut import Cut
from skyrack.orchestrator.routing.paths import path_of
from skyrack.orchestrator.runtime.oracle import CLOCK_GUARD, GUARD, Oracle
from skyrack.orchestrator.scenario import Scenario, load_scenario
from skyrack.orchestrator.timeline import Timeline
from skyrack.orchestrator.topology.geometry import Geometry

LONDON, TOKYO = 66, 67
GRID_S = np.arange(9.8, 10.2, 0.001)


@contextmanager
def told(*changes: Callable[[Oracle], None]) -> Iterator[Oracle]:
    scenario = load_scenario("iridium")
    geometry = Geometry(scenario)
    with ThreadPoolExecutor(1) as worker:
        oracle = Oracle(scenario, geometry, Timeline(scenario.speed), worker)
        oracle.in_force(0.0, geometry.epoch(0.0), 0.0)
        for change in changes:
            change(oracle)
        yield oracle


async def reasons(oracle: Oracle, source: int, target: int) -> list[str | None]:
    """Of probes sent every millisecond about the instant 10 s."""
    answers = await oracle.computed([(float(s), source, target, 64) for s in GRID_S])
    return [answer["reason"] for answer in answers]


def on_the_way(condition: Condition) -> dict[tuple[int, int], Condition]:
    """For the second link from London to Tokyo."""
    geometry = Geometry(load_scenario("iridium"))
    epoch = geometry.epoch(0.0)
    path = path_of(epoch, LONDON, TOKYO)
    assert path is not None
    a, b = path[1:3]
    return {(a, b): condition, (b, a): condition}


async def test_what_crosses_a_link_as_it_goes_dark_may_end_either_way_and_nothing_else_may() -> None:
    with told(lambda oracle: oracle.conditions(10.0, on_the_way(Condition(down=True)))) as oracle:
        over_it, beside_it = await reasons(oracle, LONDON, TOKYO), await reasons(oracle, TOKYO, TOKYO - 4)
    assert set(beside_it) == {None}, "a probe elsewhere is judged"
    guarded = [i for i, reason in enumerate(over_it) if reason == GUARD]
    first, last = guarded[0], guarded[-1]
    assert len(guarded) == last - first + 1 <= 21, "ten milliseconds on each side of the instant"
    assert set(over_it[:first]) == {None}
    assert {reason is not None and "is down by a fault" in reason for reason in over_it[last + 1 :]} == {True}
    assert 10.0 - 0.2 < GRID_S[first] < 10.0, "its reply crosses the link later than the probe"


@pytest.mark.parametrize("condition", [Condition(extra_s=0.1), Condition(corrupt_ratio=0.1)])
async def test_a_fault_that_darkens_nothing_leaves_every_probe_judged(condition: Condition) -> None:
    with told(lambda oracle: oracle.conditions(10.0, on_the_way(condition))) as oracle:
        assert set(await reasons(oracle, LONDON, TOKYO)) == {None}


async def test_who_is_cut_off_is_not_answered_and_why_is_said() -> None:
    cut = Cut(frozenset({TOKYO}), frozenset({LONDON}))
    with told(lambda oracle: oracle.cuts(10.0, (cut,)), lambda oracle: oracle.cuts(10.05, ())) as oracle:
        asked, asking = await reasons(oracle, LONDON, TOKYO), await reasons(oracle, TOKYO, LONDON)
        assert set(await reasons(oracle, LONDON, TOKYO + 1)) == {None}, "others are not"
    why = "tokyo is cut off from london by a fault"
    for found, lost_from_s in ((asking, 10.0), (asked, 10.0 - 0.056)):
        assert set(found) == {None, GUARD, why}
        lost = [at_s for at_s, reason in zip(GRID_S, found, strict=True) if reason == why]
        assert len(lost) == pytest.approx(50 - 20, abs=2)
        assert lost[0] == pytest.approx(lost_from_s + 0.01, abs=0.004), (
            "a reply is sent when the probe is there"
        )


async def test_of_a_link_that_flaps_fast_most_probes_are_judged() -> None:
    def flap(oracle: Oracle) -> None:
        for period in range(20):
            oracle.conditions(9.0 + period * 0.3, on_the_way(Condition(down=True)))
            oracle.conditions(9.1 + period * 0.3, on_the_way(AS_ALWAYS))

    with told(flap) as oracle:
        found = await reasons(oracle, LONDON, TOKYO)
    share = {reason: found.count(reason) / len(found) for reason in set(found)}
    assert share[GUARD] < 0.3, "ten milliseconds on each side of four instants in 300 ms"
    assert share[None] > 0.15
    assert 1.0 - share[None] - share[GUARD] > 0.4, "the probe or its reply meets the dark link"


async def test_what_the_fabric_was_told_late_may_end_either_way_until_it_was() -> None:
    with told(lambda oracle: oracle.late(9.95, 10.02)) as oracle:
        found = await reasons(oracle, LONDON, LONDON - 60)
    guarded = GRID_S[[reason == GUARD for reason in found]]
    assert guarded[-1] == pytest.approx(10.03, abs=0.011)
    assert len(guarded) > 70


async def test_how_long_the_host_held_the_fabric_up_is_told_of_the_probes_that_flew_meanwhile() -> None:
    """A probe that was held up for 0.2 s is under way for as much longer, and may be held up again by then."""

    def stand_still(oracle: Oracle) -> None:
        oracle.held_up(10.0, 10.2)
        oracle.held_up(10.25, 10.26)

    with told(stand_still) as oracle:
        rtt_s = (await oracle.computed([(5.0, LONDON, TOKYO, 64)]))[0]["rtt_s"]
        sent_s = [5.0, 9.99 - rtt_s - 0.01, 9.99, 10.15, 10.25, 10.5]
        found = await oracle.computed([(at_s, LONDON, TOKYO, 64) for at_s in sent_s])
    assert 0.1 < rtt_s < 0.15
    assert [answer["held_up_s"] for answer in found] == pytest.approx([0.0, 0.0, 0.21, 0.06, 0.01, 0.0])
    assert {answer["reason"] for answer in found} == {None}


async def test_at_the_edge_of_a_gap_only_those_are_not_judged_that_the_host_may_have_held_over_it() -> None:
    keys = load_scenario("iridium").model_dump(mode="json")
    keys["links"] |= {"antennas": 1, "handover": "break-before-make"}
    scenario = Scenario.model_validate(keys)
    geometry = Geometry(scenario)
    a, b = geometry.index_of("london"), geometry.index_of("tokyo")
    with ThreadPoolExecutor(1) as worker:
        oracle, t_s, gap = Oracle(scenario, geometry, Timeline(scenario.speed), worker), 0.0, None
        while gap is None or t_s < gap.t1_s + 2.0:
            epoch = geometry.epoch(t_s)
            oracle.in_force(t_s, epoch, 0.0)
            hop = int(epoch.next_hop[epoch.row_of(b), a])
            gap = epoch if gap is None and epoch.in_gap and hop < 0 else gap
            t_s = epoch.t1_s
        sent_s = np.arange(gap.t0_s - 0.5, gap.t1_s + 0.5, 0.001)
        reasons = [one["reason"] for one in await oracle.computed([(float(s), a, b, 64) for s in sent_s])]
        assert all(one["reason"] is None for one in await oracle.computed([(gap.t0_s - 1.0, a, b, 64)]))
    guarded = np.array([reason == GUARD for reason in reasons])
    lost = np.array([reason is not None for reason in reasons]) & ~guarded
    assert 0.2 < lost.sum() * 0.001 < 0.5, "the gap, and the round trip before it"
    assert guarded.sum() <= 25, "ten milliseconds at each edge"
    edges = np.nonzero(np.diff(lost.astype(int)))[0]
    assert len(edges) == 2
    assert all(guarded[edge] or guarded[edge + 1] for edge in edges)


async def test_a_probe_across_a_change_of_the_clock_is_told_apart_and_later_ones_follow_the_orbits() -> None:
    scenario = load_scenario("iridium")
    geometry, timeline = Geometry(scenario), Timeline(scenario.speed)
    with ThreadPoolExecutor(1) as worker:
        oracle = Oracle(scenario, geometry, timeline, worker)
        oracle.in_force(0.0, geometry.epoch(0.0), 0.0)
        a, b = geometry.index_of("london"), geometry.index_of("tokyo")
        earlier = (await oracle.computed([(5.0, a, b, 64)]))[0]
        timeline.change(10.0, t_s=3000.0, speed=0.0)
        oracle.in_force(10.0, geometry.epoch(3000.0), 10.0)
        oracle.turned(10.0, 9.9)
        before, across, after, much_later = await oracle.computed(
            [(at_s, a, b, 64) for at_s in (5.0, 9.95, 11.0, 500.0)]
        )
    assert before == earlier, "by the clock of then"
    assert across["reason"] == CLOCK_GUARD
    assert after["reason"] is None
    assert after["rtt_s"] == pytest.approx(much_later["rtt_s"], abs=1e-9), "nothing moves"
    paused = Timeline(1.0, timeline.pieces)
    assert paused.t_s(500.0) == 3000.0
    path = [geometry.index_of(name) for name in after["path"]]
    light_s = float(geometry.delay_s(path[:-1], path[1:], 3000.0).sum())
    assert after["rtt_s"] == pytest.approx(2.0 * light_s, abs=1e-5)
