"""The computed round-trip time: what was in force is followed hop by hop, and nothing else counts."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyrack.orchestrator.orbit.constants import SPEED_OF_LIGHT_KM_S
from skyrack.orchestrator.routing.computed import Computed, computed_rtt
from skyrack.orchestrator.routing.condition import AS_ALWAYS, Condition
from skyrack.orchestrator.routing.force_log import ForceLog
from skyrack.orchestrator.routing.link_model import LinkModel
from skyrack.orchestrator.routing.paths import path_of
from skyrack.orchestrator.scenario import Scenario, load_scenario
from skyrack.orchestrator.topology.failures import Failures
from skyrack.orchestrator.topology.geometry import Geometry

LONDON, TOKYO = 66, 67
ONE_PICOSECOND = 1e-12


@cache
def _geometry(speed: float = 1.0) -> Geometry:
    return Geometry(load_scenario("iridium").model_copy(update={"speed": speed}))


def _log(geometry: Geometry, until_s: float = 120.0) -> ForceLog:
    """What a run without faults records: each epoch at the instant it comes into force."""
    log, speed, t_s = ForceLog(), geometry.scenario.speed, 0.0
    while t_s < until_s * speed:
        epoch = geometry.epoch(t_s)
        log.record(max(t_s, 0.0) / speed, epoch)
        t_s = epoch.t1_s
    return log


def _model(geometry: Geometry, **keys: Any) -> LinkModel:
    fields = {"laser_rate_bps": 100e9, "ground_rate_bps": 100e9} | keys
    return LinkModel(**fields)


def _one(
    geometry: Geometry, log: ForceLog, a: int, b: int, run_s: float, size: int = 64, **keys: Any
) -> Computed:
    (result,) = computed_rtt(geometry, log, _model(geometry, **keys), a, b, run_s, size)
    return result


def _by_hand_s(geometry: Geometry, path: list[int], sent_s: float, s_per_hop: float = 0.0) -> float:
    """Arrival at the end of a path, one hop after the other, by SGP4."""
    t_s, speed = sent_s, geometry.scenario.speed
    for here, there in pairwise(path):
        t_s += s_per_hop
        ends_km = geometry.positions_of_km([here, there], [speed * t_s])[0]
        t_s += float(np.linalg.norm(ends_km[0] - ends_km[1])) / SPEED_OF_LIGHT_KM_S
    return t_s


@settings(deadline=None, max_examples=40)
@given(
    run_s=st.floats(0, 100),
    ends=st.tuples(st.integers(0, 14), st.integers(0, 14)),
    speed=st.sampled_from([1.0, 50.0]),
)
def test_a_quiet_probe_takes_the_sum_of_its_hops(run_s: float, ends: tuple[int, int], speed: float) -> None:
    """At speed 50 the satellites move 50 times as far while the light is under way; light itself is not faster."""
    geometry = _geometry(speed)
    a, b = (int(geometry.inhabited[end]) for end in ends)
    epoch = geometry.epoch(speed * run_s)
    if speed * (run_s + 1.0) >= epoch.t1_s:
        return  # the epoch may change on the way: that is another test
    path, answer = path_of(epoch, a, b), path_of(epoch, b, a)
    assert path is not None
    assert answer is not None
    result = _one(geometry, _log(geometry), a, b, run_s, size=0)
    assert result.rtt_s is not None
    assert result.path == tuple(path)
    back_s = _by_hand_s(geometry, answer, _by_hand_s(geometry, path, run_s))
    assert abs(result.rtt_s - (back_s - run_s)) < ONE_PICOSECOND


def test_serialisation_is_added_at_every_hop_with_the_byte_scale() -> None:
    geometry = _geometry()
    log = _log(geometry)
    empty = _one(geometry, log, LONDON, TOKYO, 1.0, size=0)
    full = _one(
        geometry, log, LONDON, TOKYO, 1.0, size=1500, laser_rate_bps=1e6, ground_rate_bps=4e6, byte_scale=2
    )
    lasers = len(full.path) - 3
    expected_s = 2 * (lasers * 1500 * 2 * 8 / 1e6 + 2 * 1500 * 2 * 8 / 4e6)
    assert full.rtt_s is not None
    assert empty.rtt_s is not None
    # The satellites move on while the packet is sent: 2e-5 of the time at most.
    assert full.rtt_s - empty.rtt_s == pytest.approx(expected_s, rel=1e-4)


def test_zero_delay_leaves_serialisation_only() -> None:
    result = _one(
        _geometry(),
        _log(_geometry()),
        LONDON,
        TOKYO,
        3.0,
        size=1250,
        laser_rate_bps=1e7,
        ground_rate_bps=1e7,
        zero_delay=True,
    )
    assert result.rtt_s == pytest.approx(2 * (len(result.path) - 1) * 1e-3)


def test_the_model_comes_from_the_scenario_without_its_deliberate_error() -> None:
    """`extra_delay` must stay unknown to the yardstick, or the negative control would pass."""
    links = {"laser_rate_bps": 5e9, "byte_scale": 7, "zero_delay": True}
    wrong = {**links, "extra_delay": [{"a": "p0s00", "b": "p0s01", "extra_ms": 1.0}]}
    shells = [{"planes": 1, "slots": 3, "altitude_km": 780, "inclination_deg": 60}]
    models = [
        LinkModel.of(Scenario.model_validate({"version": 1, "name": "x", "shells": shells, "links": keys}))
        for keys in (links, wrong)
    ]
    assert models[0] == models[1] == LinkModel(5e9, 100e9, 7, True)


def test_random_loss_and_slow_links_of_the_way_are_told() -> None:
    """Every link is crossed twice, once each way; the slowest is that of the way out only, faults included."""
    geometry = _geometry()
    log = _log(geometry)
    path = _one(geometry, log, LONDON, TOKYO, 1.0).path
    result = _one(geometry, log, LONDON, TOKYO, 1.0, loss_ratio=0.01, ground_rate_bps=2e9)
    assert result.kept_ratio == pytest.approx(0.99 ** (2 * (len(path) - 1)))
    assert result.slowest_bps == pytest.approx(2e9)
    log.condition(0.5, (path[1], path[2]), Condition(rate_bps=1e6, loss_ratio=0.5))
    log.condition(0.5, (path[2], path[1]), Condition(rate_bps=1e3))
    result = _one(geometry, log, LONDON, TOKYO, 1.0)
    assert result.kept_ratio == pytest.approx(0.5)
    assert result.slowest_bps == pytest.approx(1e6)
    log.condition(0.6, (path[2], path[1]), Condition(corrupt_ratio=0.2))
    assert _one(geometry, log, LONDON, TOKYO, 1.0).kept_ratio == pytest.approx(0.5 * 0.8), (
        "a reply is damaged"
    )


def test_a_route_change_on_the_way_is_followed_from_the_next_node_on() -> None:
    """The packet leaves by the old routes, the new ones apply where it arrives after the change, and to the reply."""
    geometry = _geometry()
    old, new = geometry.epoch(0.0), geometry.epoch(12.5)
    assert path_of(old, LONDON, TOKYO) != path_of(new, LONDON, TOKYO)
    log = ForceLog()
    log.record(0.0, old)
    log.record(12.0, new)
    result = _one(geometry, log, LONDON, TOKYO, 12.0 - 0.005)
    first = path_of(old, LONDON, TOKYO)
    assert first is not None
    assert result.path[:2] == tuple(first[:2])
    onward = path_of(new, result.path[2], TOKYO)
    assert onward is not None
    assert result.path[2:] == tuple(onward)
    answer = path_of(new, TOKYO, LONDON)
    assert answer is not None
    arrival_s = _by_hand_s(geometry, list(result.path), 12.0 - 0.005, 5.12e-9)
    expected_s = _by_hand_s(geometry, answer, arrival_s, 5.12e-9) - (12.0 - 0.005)
    assert result.rtt_s is not None
    assert abs(result.rtt_s - expected_s) < ONE_PICOSECOND


def test_probes_through_a_dark_node_are_lost_and_others_are_not() -> None:
    geometry = _geometry()
    log = _log(geometry)
    path = path_of(geometry.epoch(20.0), LONDON, TOKYO)
    assert path is not None
    log.dark(20.0, path[2])
    log.lit(25.0, path[2])
    results = computed_rtt(geometry, log, _model(geometry), LONDON, TOKYO, [19.0, 22.0, 26.0], 64)
    assert [result.rtt_s is None for result in results] == [False, True, False]
    assert results[1].reason == f"{geometry.names[path[2]]} is dark"
    assert results[1].path == tuple(path[:3])


def test_a_node_that_goes_dark_under_way_takes_the_reply_with_it() -> None:
    geometry = _geometry()
    log = _log(geometry)
    whole = _one(geometry, log, LONDON, TOKYO, 20.0)
    assert whole.rtt_s is not None
    log.dark(20.0 + whole.rtt_s - 1e-4, LONDON)
    result = _one(geometry, log, LONDON, TOKYO, 20.0)
    assert result.rtt_s is None
    assert result.path == whole.path, "the probe itself arrived"
    assert result.reason == "london is dark"


@pytest.mark.parametrize(
    ("down_s", "up_s", "lost"),
    [(19.0, 19.9, False), (19.9, 20.01, True), (20.05, 20.06, True), (20.2, 21.0, False)],
)
def test_whatever_is_in_flight_when_the_fabric_stops_is_lost(down_s: float, up_s: float, lost: bool) -> None:
    """The round trip of some 114 ms begins at 20.0 s."""
    log = _log(_geometry())
    log.fabric_down(down_s)
    log.fabric_up(up_s)
    result = _one(_geometry(), log, LONDON, TOKYO, 20.0)
    assert (result.rtt_s is None) == lost
    assert result.reason == ("the fabric was down" if lost else None)


def test_bare_satellites_are_reached_and_answer() -> None:
    geometry = _geometry()
    bare = next(node for node in range(66) if node not in geometry.inhabited)
    there, back = (_one(geometry, _log(geometry), *ends, 1.0) for ends in ((LONDON, bare), (bare, LONDON)))
    assert there.path == back.path[::-1]
    assert there.rtt_s == pytest.approx(back.rtt_s, abs=1e-8)
    other = next(node for node in range(bare + 1, 66) if node not in geometry.inhabited)
    assert _one(geometry, _log(geometry), bare, other, 1.0).reason == "no route in force"


def test_before_the_first_epoch_there_is_no_route() -> None:
    log = ForceLog()
    assert _one(_geometry(), log, LONDON, TOKYO, 1.0).reason == "no route in force"
    log.record(5.0, _geometry().epoch(5.0))
    assert _one(_geometry(), log, LONDON, TOKYO, 1.0).reason == "no route in force"
    assert _one(_geometry(), log, LONDON, TOKYO, 5.0).rtt_s is not None


def test_a_node_reaches_itself_at_once() -> None:
    itself = Computed(0.0, (LONDON,), None, 1.0, math.inf)
    assert _one(_geometry(), _log(_geometry()), LONDON, LONDON, 1.0) == itself


def test_many_probes_are_computed_as_each_alone() -> None:
    """Grouping by hop and epoch must not change a bit of any result."""
    geometry = _geometry()
    log = _log(geometry)
    sent_s = np.sort(np.random.default_rng(3).uniform(0, 110, 60))
    sizes = np.random.default_rng(4).integers(28, 1500, 60)
    together = computed_rtt(geometry, log, _model(geometry), LONDON, 68, sent_s, sizes)
    alone = [_one(geometry, log, LONDON, 68, float(t), int(n)) for t, n in zip(sent_s, sizes, strict=True)]
    assert together == alone


def test_pruning_keeps_what_later_probes_need() -> None:
    geometry = _geometry()
    log = _log(geometry)
    log.dark(10.0, 0)
    log.lit(11.0, 0)
    log.dark(50.0, 1)
    sent_s = [60.0, 75.0, 100.0]
    before = computed_rtt(geometry, log, _model(geometry), LONDON, TOKYO, sent_s, 64)
    log.prune(60.0)
    assert computed_rtt(geometry, log, _model(geometry), LONDON, TOKYO, sent_s, 64) == before
    history = log.history()
    assert history.since_s[0] <= 60.0 < history.since_s[1]
    assert set(history.dark) == {1}


def test_a_reroute_takes_back_the_epochs_recorded_for_later() -> None:
    """Epochs are announced before they come into force; after a failure those are not what happens."""
    geometry = _geometry()
    log = ForceLog()
    log.record(0.0, geometry.epoch(0.0))
    log.record(12.0, geometry.epoch(12.0))
    detour = geometry.epoch(11.0, Failures(frozenset({34})))
    log.record(11.0, detour)
    history = log.history()
    assert history.since_s.tolist() == [0.0, 11.0]
    assert history.epochs[1] is detour


def test_faults_are_recorded_in_order_of_time() -> None:
    log = ForceLog()
    log.dark(2.0, 3)
    with pytest.raises(AssertionError, match="order of time"):
        log.lit(1.0, 3)


def test_repeated_faults_count_once() -> None:
    log = ForceLog()
    for run_s in (1.0, 2.0):
        log.dark(run_s, 7)
    for run_s in (3.0, 4.0):
        log.lit(run_s, 7)
    held = log.history().dark[7].hold(np.array([0.9, 1.0, 2.9, 3.0, 3.5]))
    assert held.tolist() == [False, True, True, False, False]


def test_latency_and_rate_of_a_fault_are_in_the_figure_from_its_instant_on() -> None:
    geometry = _geometry()
    log = _log(geometry)
    quiet = _one(geometry, log, LONDON, TOKYO, 5.0)
    assert quiet.rtt_s is not None
    here, there = quiet.path[1], quiet.path[2]
    log.condition(5.0, (here, there), Condition(extra_s=0.2))
    log.condition(6.0, (here, there), Condition(rate_bps=1e6))
    log.condition(7.0, (here, there), AS_ALWAYS)
    before, slow, narrow, after = (_one(geometry, log, LONDON, TOKYO, t).rtt_s for t in (4.5, 5.0, 6.0, 7.0))
    plain = [_one(geometry, _log(geometry), LONDON, TOKYO, t).rtt_s for t in (4.5, 6.0, 7.0)]
    assert before == plain[0]
    assert slow == pytest.approx(quiet.rtt_s + 0.2, abs=1e-6), "one direction only"
    assert plain[1] is not None
    assert narrow == pytest.approx(plain[1] + 64 * 8 / 1e6, abs=1e-7)
    assert after == plain[2]


def test_a_probe_is_lost_on_a_link_that_is_down_until_the_nodes_before_it_have_heard() -> None:
    geometry = _geometry()
    log = _log(geometry)
    quiet = _one(geometry, log, LONDON, TOKYO, 5.0)
    here, there = quiet.path[1], quiet.path[2]
    for way in ((here, there), (there, here)):
        log.condition(5.0, way, Condition(down=True))
    pair = (min(here, there), max(here, there))
    log.adopt(np.full(geometry.n_nodes, 5.5), geometry.epoch(5.0, Failures(links=frozenset({pair}))))
    lost = _one(geometry, log, LONDON, TOKYO, 5.2)
    assert lost.rtt_s is None
    assert "is down by a fault" in str(lost.reason)
    detour = _one(geometry, log, LONDON, TOKYO, 5.6)
    assert detour.rtt_s is not None
    assert (here, there) not in set(pairwise(detour.path))


def test_each_node_follows_what_it_has_heard_itself_until_the_next_epoch() -> None:
    geometry = _geometry()
    log = _log(geometry)
    path = _one(geometry, log, LONDON, TOKYO, 3.0).path
    detour = geometry.epoch(3.0, Failures(frozenset({path[2]})))
    at_s = np.full(geometry.n_nodes, np.inf)
    at_s[path[1]] = 3.0
    log.adopt(at_s, detour)
    assert _one(geometry, log, LONDON, TOKYO, 4.0).path[2] != path[2]
    view = log.epoch_at(4.0)
    assert view is not None
    assert (view.next_hop[:, path[1]] == detour.next_hop[:, path[1]]).all()
    assert (view.next_hop[:, path[2]] == geometry.epoch(3.0).next_hop[:, path[2]]).all()
    planned = geometry.epoch(13.0)
    log.record(12.0, planned)
    assert log.epoch_at(12.5) is planned, "an epoch replaces what was adopted in the one before"


def test_two_views_that_disagree_lose_the_packet_after_so_many_hops() -> None:
    geometry = _geometry()
    log, epoch = ForceLog(), geometry.epoch(0.0)
    log.record(0.0, epoch)
    path = _one(geometry, log, LONDON, TOKYO, 1.0).path
    row = epoch.row_of(TOKYO)
    back = epoch.next_hop.copy()
    back[row, path[2]] = path[1]
    at_s = np.full(geometry.n_nodes, np.inf)
    at_s[path[2]] = 0.5
    log.adopt(at_s, replace(epoch, next_hop=back))
    result = _one(geometry, log, LONDON, TOKYO, 1.0)
    assert result.rtt_s is None
    assert "hops" in str(result.reason)


def test_a_share_of_the_rate_is_the_serialisation_of_that_direction() -> None:
    geometry = _geometry()
    epoch = geometry.epoch(0.0)
    share = np.ones((len(epoch.a), 2))
    share[:, 0] = 1e-3  # from the lower node number to the higher: lasers one way, ground links down
    log = ForceLog()
    log.record(0.0, replace(epoch, share=share))
    plain = ForceLog()
    plain.record(0.0, epoch)
    quiet, slow = (_one(geometry, one, LONDON, TOKYO, 1.0, 1500) for one in (plain, log))
    assert quiet.rtt_s is not None
    slower = len(quiet.path) - 1  # out and back every link is crossed once from its lower end
    expected = slower * 1500 * 8 / 100e9 * (1e3 - 1)
    assert slow.rtt_s == pytest.approx(quiet.rtt_s + expected, abs=1e-8)
