"""Terminals, points of presence and fibre in the geometry: who is linked to whom, how long, how fast, and who forwards."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skyrack.orchestrator.orbit.constants import SPEED_OF_LIGHT_KM_S
from skyrack.orchestrator.routing.computed import computed_rtt
from skyrack.orchestrator.routing.force_log import ForceLog
from skyrack.orchestrator.routing.ideal import ideal_path
from skyrack.orchestrator.routing.link_model import LinkModel
from skyrack.orchestrator.routing.paths import path_of
from skyrack.orchestrator.scenario import Scenario, load_scenario
from skyrack.orchestrator.topology.epoch import FIBRE, GROUND
from skyrack.orchestrator.topology.explain import explain_link, explain_no_path
from skyrack.orchestrator.topology.fibre import fibre_delay_s, great_circle_km
from skyrack.orchestrator.topology.geometry import Geometry

CALIBRATION = Path(__file__).parents[2] / "deploy" / "scenarios" / "starlink-calibration.yaml"
INSTANTS_S = np.arange(0.5, 3600.0, 90.0).tolist()


def geometry(**changes: Any) -> Geometry:
    keys = load_scenario(str(CALIBRATION)).model_dump() | changes
    return Geometry(Scenario.model_validate(keys, strict=False))


@pytest.fixture(scope="module")
def sky() -> Geometry:
    return geometry()


def test_nodes_come_in_the_order_satellites_stations_terminals_points_of_presence(sky: Geometry) -> None:
    on_ground = sky.names[sky.n_sat :]
    expected = ("gw-seattle", "gw-miami", "portland", "portland-storm", "miami", "pop-seattle", "pop-miami")
    assert on_ground == expected
    assert sky.kind[sky.n_sat :] == ("ground",) * 2 + ("user",) * 3 + ("pop",) * 2
    assert sky.inhabited.tolist() == list(range(sky.n_sat, sky.n_nodes)), "all on the ground have a process"


@pytest.mark.parametrize("t_s", INSTANTS_S[:10])
def test_a_terminal_holds_one_satellite_above_its_own_mask_and_a_point_of_presence_none(t_s: float) -> None:
    users = [{"city": "london", "elevation_mask_deg": 40.0}, {"city": "london", "name": "low"}]
    sky = geometry(users=users)
    epoch = sky.epoch(t_s)
    high, low = sky.index_of("user-london"), sky.index_of("low")
    held = {node: epoch.a[(epoch.b == node) & (epoch.kind == GROUND)] for node in (high, low)}
    assert len(held[low]) == 1
    assert len(held[high]) <= 1
    for node, satellites in held.items():
        for satellite in satellites.tolist():
            mask_deg = 40.0 if node == high else 25.0
            station = np.array([node - sky.n_sat], np.int32)
            up = sky.elevation_deg(station, np.array([satellite], np.int32), epoch.t0_s)
            assert up[0] >= mask_deg - 1e-9
    pops = [sky.index_of(name) for name in ("pop-seattle", "pop-miami")]
    assert not np.isin(epoch.b[epoch.kind == GROUND], pops).any(), "a point of presence has no antenna"


def test_each_terminal_chooses_by_its_own_policy() -> None:
    users = [
        {"city": "london", "name": "highest", "selection": "highest-elevation"},
        {"city": "london", "name": "longest", "selection": "longest-remaining"},
    ]
    sky = geometry(users=users)
    taken = {name: [] for name in ("highest", "longest")}  # type: dict[str, list[int]]
    for t_s in INSTANTS_S:
        epoch = sky.epoch(t_s)
        for name, held in taken.items():
            held.append(int(epoch.a[epoch.b == sky.index_of(name)][0]))
    assert taken["highest"] != taken["longest"]
    alone = geometry(users=[{"city": "london", "name": "longest"}], links={"selection": "longest-remaining"})
    assert taken["longest"] == [
        int((e := alone.epoch(t_s)).a[e.b == alone.index_of("longest")][0]) for t_s in INSTANTS_S
    ]


def test_fibre_is_always_lit_as_long_as_its_great_circle_says_and_as_fast_as_said() -> None:
    fibre = [{"a": "gw-seattle", "b": "pop-seattle", "route_factor": 1.2, "rate_bps": 40e9},
             {"a": "pop-miami", "b": "pop-seattle", "route_factor": 2.0}]  # fmt: skip
    sky = geometry(fibre=fibre)
    a, b = sky.index_of("pop-seattle"), sky.index_of("pop-miami")
    lat_deg, lon_deg = (
        x[[a - sky.n_sat, b - sky.n_sat]] for x in (sky.stations.lat_deg, sky.stations.lon_deg)
    )
    length_km = great_circle_km(lat_deg[0], lon_deg[0], lat_deg[1], lon_deg[1])
    expected_s = fibre_delay_s(length_km, 2.0)
    assert 0.04 < expected_s < 0.05, "4,400 km, doubled, at two thirds of c"
    for t_s in INSTANTS_S[:5]:
        epoch = sky.epoch(t_s)
        lit = epoch.kind == FIBRE
        assert sorted(zip(epoch.a[lit].tolist(), epoch.b[lit].tolist(), strict=True)) == sorted(
            [(sky.index_of("gw-seattle"), a), (a, b)]
        )
        assert sky.delay_s([b], [a], t_s)[0] == pytest.approx(expected_s, abs=1e-12)
    epoch, bps = sky.epoch(0.5), sky.scenario.links.ground_rate_bps
    assert epoch.share_of(a, sky.index_of("gw-seattle")) * bps == pytest.approx(40e9)
    assert sky.rates.of_bps(a, b) == pytest.approx(100e9)


def test_a_terminal_has_its_own_rates_each_way_and_a_storm_takes_from_them(sky: Geometry) -> None:
    epoch, bps = sky.epoch(0.5), sky.scenario.links.ground_rate_bps
    rates = {}
    for name in ("portland", "portland-storm"):
        user = sky.index_of(name)
        satellite = int(epoch.a[epoch.b == user][0])
        rates[name] = epoch.share_of(user, satellite) * bps, epoch.share_of(satellite, user) * bps
        assert sky.rates.of_bps(user, satellite) == pytest.approx(20e6)
    assert rates["portland"] == pytest.approx((20e6, 200e6), rel=0.2), "drizzle at most"
    assert max(rates["portland-storm"]) < 0.75 * rates["portland"][1]
    assert rates["portland-storm"][0] < rates["portland"][0]


def test_what_ends_add_counts_once_for_a_satellite_that_forwards(sky: Geometry) -> None:
    plain = geometry(links={}, users=[user.model_dump() | {"access_ms": 0.0} for user in sky.scenario.users])
    path = [sky.index_of("portland"), *ideal_way(sky, "portland", "pop-seattle")[1:]]
    added_s = sky.delay_s(path[:-1], path[1:], 0.5).sum() - plain.delay_s(path[:-1], path[1:], 0.5).sum()
    assert added_s == pytest.approx(7.4e-3 + 0.5e-3 + 1.0e-3, abs=1e-9), "access, one satellite, one gateway"
    lasers = [0, 1, 2, 3]  # three lasers along a plane: two satellites forward, and half of each end's counts
    added_s = (
        sky.delay_s(lasers[:-1], lasers[1:], 0.5).sum() - plain.delay_s(lasers[:-1], lasers[1:], 0.5).sum()
    )
    assert added_s == pytest.approx(3 * 0.5e-3, abs=1e-9)


def ideal_way(sky: Geometry, a: str, b: str) -> list[int]:
    found = ideal_path(sky, sky.index_of(a), sky.index_of(b), 0.5)
    assert found is not None
    return found[2]


def test_the_computed_round_trip_is_the_sum_of_the_links_both_ways(sky: Geometry) -> None:
    log, epoch = ForceLog(), sky.epoch(0.5)
    log.record(0.0, epoch)
    a, b = sky.index_of("portland"), sky.index_of("pop-miami")
    path = path_of(epoch, a, b)
    assert path is not None
    assert "gw-seattle" in [sky.names[node] for node in path]
    one = computed_rtt(sky, log, LinkModel.of(sky.scenario), a, b, [0.5], 28)[0]
    assert one.rtt_s is not None
    expected_s = 2.0 * float(sky.delay_s(path[:-1], path[1:], 0.5).sum())
    serialisation_s = 2 * 28 * 8 / 20e6
    assert one.rtt_s == pytest.approx(expected_s, abs=serialisation_s + 5e-6), "light moves on meanwhile"
    assert one.path == tuple(path)


@pytest.mark.parametrize("transit", ["fibre", "never", "always"])
def test_only_those_forward_whom_the_scenario_lets_and_a_terminal_never(transit: str) -> None:
    sky = geometry(routing={"ground_transit": transit}, fibre=[{"a": "gw-seattle", "b": "pop-seattle"},
                   {"a": "pop-miami", "b": "pop-seattle"}])  # fmt: skip
    may = {"fibre": {"gw-seattle", "pop-seattle", "pop-miami"}, "never": set(),
           "always": {"gw-seattle", "gw-miami", "pop-seattle", "pop-miami"}}[transit]  # fmt: skip
    seen: set[str] = set()
    for t_s in INSTANTS_S:
        epoch = sky.epoch(t_s)
        for source in sky.inhabited.tolist():
            for destination in sky.inhabited.tolist():
                path = path_of(epoch, source, destination) or []
                for node in path[1:-1]:
                    if node >= sky.n_sat:
                        seen.add(sky.names[node])
    assert seen <= may
    assert (transit == "never") == (not seen)


def test_ways_of_each_kind_use_only_their_links(sky: Geometry) -> None:
    a, b = sky.index_of("portland"), sky.index_of("miami")
    space, bent, best = (ideal_path(sky, a, b, 0.5, way) for way in ("space", "bent-pipe", "best"))
    assert space is not None
    assert bent is not None
    assert best is not None
    assert all(node < sky.n_sat for node in space[2][1:-1])
    assert not any(x < sky.n_sat and y < sky.n_sat for x, y in pairwise(bent[2]))
    assert best[0] <= min(space[0], bent[0])
    assert ideal_path(sky, a, b, 0.5, "fibre") is None
    ground = ideal_path(sky, sky.index_of("gw-seattle"), sky.index_of("gw-miami"), 0.5, "fibre")
    assert ground is not None
    assert [sky.names[node] for node in ground[2]] == ["gw-seattle", "pop-seattle", "pop-miami", "gw-miami"]


def test_what_is_not_joined_says_why(sky: Geometry) -> None:
    index = sky.index_of
    fibre = explain_link(sky, index("pop-seattle"), index("gw-seattle"), 0.5)
    assert fibre.up
    assert (fibre.since_s, fibre.until_s) == (None, None)
    reasons = explain_link(sky, index("pop-miami"), index("gw-seattle"), 0.5).reasons
    assert [reason.code for reason in reasons] == ["not_linked"]
    assert "antenna" in explain_link(sky, 0, index("pop-miami"), 0.5).reasons[0].text
    cut = geometry(fibre=[{"a": "gw-seattle", "b": "pop-seattle"}, {"a": "pop-miami", "b": "pop-seattle"}])
    assert explain_no_path(cut, cut.index_of("portland"), cut.index_of("pop-miami"), 0.5) == []


def test_light_needs_as_long_as_the_distance_where_nothing_is_added() -> None:
    sky = geometry(links={}, users=[], pops=[], fibre=[])
    r_km = sky.positions_km(7.0)
    assert sky.delay_s([0], [1], 7.0)[0] == np.linalg.norm(r_km[0] - r_km[1]) / SPEED_OF_LIGHT_KM_S
