"""Launched satellites come into service when orbits say, and nobody flies with one that is not there."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from skyrack.orchestrator.faults.lot import Lot
from skyrack.orchestrator.faults.problem import Unknown
from skyrack.orchestrator.faults.selectors import drawn, select
from skyrack.orchestrator.lifecycle.fleet import together
from skyrack.orchestrator.lifecycle.passage import (
    Climb,
    Passage,
    Phase,
    commissioned,
    drifted,
    waits_deg,
)
from skyrack.orchestrator.lifecycle.precession import (
    nodal_rate_deg_day,
    relative_rate_deg_day,
)
from skyrack.orchestrator.routing.plan import plan_records
from skyrack.orchestrator.scenario.loader import scenario_of
from skyrack.orchestrator.scenario.reading.source import decode
from skyrack.orchestrator.topology.atlas import atlas_of
from skyrack.orchestrator.topology.explain import explain_link
from skyrack.orchestrator.topology.geometry import Geometry

DAY_S = 86_400.0
V3 = Climb(parking_km=210.0, altitude_km=350.0, inclination_deg=53.0, raising_km_day=5.0)
SCENARIO = """\
version: 1
name: launched
shells:
  - {name: v3, planes: 4, slots: 12, altitude_km: 550, inclination_deg: 53}
ground: [london, {name: alone, lat_deg: 50.0, lon_deg: 10.0, antennas: 1}]
inhabited: [p0s00]
links: {elevation_mask_deg: 5}
lifecycle:
  launches:
    - name: first
      satellites: [plane:p2, p3s00]
      at_s: 30
      commissioning_s: 20
      apart_s: 1
      loss: {count: 3, phase: commissioning}
    - {name: later, satellites: [p1s03], commissioning_s: 5}
"""

TWO_SHELLS = """\
version: 1
name: launched
shells:
  - {name: high, planes: 2, slots: 2, altitude_km: 550, inclination_deg: 53}
  - {name: low, planes: 2, slots: 2, altitude_km: 400, inclination_deg: 53}
ground: [london]
lifecycle:
  launches: [{name: later, satellites: ["shell:high", "shell:low"], commissioning_s: 5, apart_s: 1}]
"""


def geometry(text: str = SCENARIO) -> Geometry:
    return Geometry(scenario_of(decode(text.encode(), "launched.yaml", Path())))


# Physics


def test_nodes_drift_as_published_at_53_degrees() -> None:
    """4.49 and 4.97 degrees a day westward at 550 and 350 km (parameters.md, section 1)."""
    assert nodal_rate_deg_day(550.0, 53.0) == pytest.approx(-4.49, abs=0.005)
    assert nodal_rate_deg_day(350.0, 53.0) == pytest.approx(-4.97, abs=0.005)


def test_a_sun_synchronous_orbit_turns_once_a_year_eastward() -> None:
    """97.6 degrees at 560 km, one of Starlink's shells: 360 degrees in 365.24 days."""
    assert nodal_rate_deg_day(560.0, 97.6) == pytest.approx(360.0 / 365.2422, rel=0.01)


def test_each_plane_is_reached_when_its_satellites_are_raised() -> None:
    """Drift and climb from where the launch has to go for the first plane end in the plane that was wanted, for every plane."""
    raan_deg = [40.0, 26.0, 12.0]
    passages = drifted(raan_deg, V3, 0.0, 0.0)
    rate_deg_day = relative_rate_deg_day(210.0, 350.0, 53.0)
    # While thrust raises them at 5 km a day they drift with what each altitude does.
    climb_km = np.linspace(210.0, 350.0, 2001)
    raised_deg = np.trapezoid(
        [relative_rate_deg_day(float(km), 350.0, 53.0) for km in climb_km], dx=28.0 / 2000
    )
    assert raised_deg < 0.0, "westward"
    start_deg = 40.0 - raised_deg
    for plane_deg, passage in zip(raan_deg, passages, strict=True):
        there_deg = start_deg + rate_deg_day * passage.raising_s / DAY_S + raised_deg
        assert there_deg == pytest.approx(plane_deg, abs=1e-6)
        assert passage.commissioning_s - passage.raising_s == pytest.approx(28.0 * DAY_S)
    assert passages[0].raising_s == 0.0
    assert passages[1].raising_s == pytest.approx(14.0 / abs(rate_deg_day) * DAY_S)


def test_within_a_plane_one_is_raised_after_the_other() -> None:
    passages = drifted([40.0, 26.0, 40.0, 26.0, 40.0], V3, 100.0, 5.0)
    in_plane = {deg: [passages[i] for i in of] for deg, of in ((40.0, (0, 2, 4)), (26.0, (1, 3)))}
    for plane in in_plane.values():
        for number, passage in enumerate(plane):
            assert passage.raising_s - plane[0].raising_s == pytest.approx(5.0 * number)
            assert passage.service_s - passage.commissioning_s == pytest.approx(100.0)


def test_the_launch_goes_where_the_longest_wait_is_shortest() -> None:
    assert waits_deg([350.0, 10.0, 330.0], westward=True) == [20.0, 0.0, 40.0]
    assert waits_deg([350.0, 10.0, 330.0], westward=False) == [20.0, 40.0, 0.0]
    assert waits_deg([12.0, 12.0], westward=True) == [0.0, 0.0]


def test_phases_follow_each_other_and_those_of_no_length_are_left_out() -> None:
    whole, short = Passage(10.0, 20.0, 30.0), Passage(0.0, 0.0, 30.0)
    instants_s = (-1.0, 0.0, 10.0, 19.9, 20.0, 30.0, 1e9)
    assert [whole.phase(s).value for s in instants_s] == [
        "not launched", "drifting", "raising", "raising", "commissioning", "in service", "in service",
    ]  # fmt: skip
    assert [short.phase(s).value for s in (-1.0, 0.0, 30.0)] == [
        "not launched",
        "commissioning",
        "in service",
    ]
    assert Passage(0.0, 0.0, 0.0).phase(0.0) is Phase.IN_SERVICE


def test_satellites_come_one_plane_after_the_other() -> None:
    passages = commissioned(["b", "a", "b"], 100.0, 5.0)
    assert [passage.service_s for passage in passages] == [100.0, 110.0, 105.0]


# The fleet of a scenario


def test_steps_are_the_same_however_time_is_cut() -> None:
    fleet = geometry().fleet
    whole = fleet.steps(-math.inf, 100.0)
    cut = [
        step for k in range(10) for step in fleet.steps(-math.inf if k == 0 else 10.0 * k, 10.0 * k + 10.0)
    ]
    assert cut == whole
    assert [step.t_s for step in whole] == [30.0, *(50.0 + k for k in range(13))]
    assert len(whole[0].lost) == 3
    assert fleet.next_s(50.0) == 51.0
    assert fleet.next_s(62.0) == math.inf


def test_at_one_instant_earlier_phases_are_told_first() -> None:
    """A day after the launch, which is as long as one is raised, the next is raised: that comes before what the first does."""
    text = TWO_SHELLS[: TWO_SHELLS.index("  - {name: high")] + (
        "  - {planes: 1, slots: 2, altitude_km: 550, inclination_deg: 53}\nground: [london]\nlifecycle: {launches: [{name: up, "
        "satellites: [p0s00, p0s01], at_s: 0, drift: nodal, raising_km_per_day: 340, apart_s: 86400}]}\n"
    )
    steps = geometry(text).fleet.steps(-1.0, DAY_S)
    assert [(step.t_s, step.phase.value, step.nodes) for step in steps] == [
        (0.0, "drifting", (1,)), (0.0, "raising", (0,)), (DAY_S, "raising", (1,)), (DAY_S, "commissioning", (0,)),
    ]  # fmt: skip


def test_what_is_jumped_over_is_told_together() -> None:
    steps = together(geometry().fleet.steps(-math.inf, 1000.0))
    assert [(step.phase.value, len(step.nodes), step.t_s) for step in steps] == [
        ("commissioning", 13, 30.0),
        ("in service", 13, 62.0),
    ]


def test_a_launch_on_demand_is_nowhere_until_it_is_ordered() -> None:
    fleet = geometry().fleet
    later = fleet.batches["later"].nodes[0]
    assert fleet.phases(1e12)[later] is Phase.NOT_LAUNCHED
    ordered = fleet.launch("later", 100.0)
    assert ordered.phases(104.0)[later] is Phase.COMMISSIONING
    assert ordered.phases(105.0)[later] is Phase.IN_SERVICE
    assert fleet.launch("later", 100.0, at_once=True).phases(100.0)[later] is Phase.IN_SERVICE
    assert "later" not in fleet.launched_s


def test_planes_of_several_shells_come_one_after_the_other_in_the_same_order_at_once() -> None:
    fleet = geometry(TWO_SHELLS).fleet
    for batch, begin_s in (
        (fleet.batches["later"], 5.0),
        (fleet.launch("later", 0.0, at_once=True).batches["later"], 0.0),
    ):
        in_service_s = [passage.service_s for passage in batch.passages]
        assert batch.nodes == tuple(range(8))
        assert in_service_s == [begin_s + place for place in range(8)], "a shell after the other"


@pytest.mark.parametrize(
    ("walker", "height", "apart_deg"),
    [
        ("delta", "altitude_km: 550", 180.0),
        ("star", "altitude_km: 550", 90.0),
        ("star", "mean_motion_rev_per_day: 15.05582", 90.0),  # 550 km up as well
    ],
)
def test_planes_are_waited_for_as_far_as_they_are_apart(walker: str, height: str, apart_deg: float) -> None:
    text = TWO_SHELLS[: TWO_SHELLS.index("  - {name: high")] + (
        f"  - {{planes: 2, slots: 1, walker: {walker}, {height}, inclination_deg: 53}}\n"
        "ground: [london]\nlifecycle: {launches: [{name: up, satellites: [p0s00, p1s00], drift: nodal}]}\n"
    )
    waits_s = sorted(passage.raising_s for passage in geometry(text).fleet.batches["up"].passages)
    rate_deg_day = abs(relative_rate_deg_day(210.0, 550.0, 53.0))
    assert waits_s == [0.0, pytest.approx(apart_deg / rate_deg_day * DAY_S, rel=1e-3)]


def test_who_is_not_in_service_has_no_link_and_lasers_acquire_when_it_is() -> None:
    sky = geometry()
    batch = sky.fleet.batches["first"].nodes
    first = batch[0]  # p2s00, in service from 50 s on
    acquired_s = [t for t in range(150) if (sky.epoch(t).a == first).any() or (sky.epoch(t).b == first).any()]
    lasers_s = [t for t in range(150) if _lasers(sky, first, t)]
    assert min(lasers_s) >= 50 + sky.scenario.links.acquisition_min_s
    assert min(lasers_s) <= 52 + sky.scenario.links.acquisition_max_s
    assert min(acquired_s) >= 50
    assert not set(_linked(sky, 29.0)) & set(batch)
    assert explain_link(sky, first, first + 1, 40.0).reasons[0].text == (
        "p2s00 is not in service: commissioning (launch first)"
    )


def test_a_station_points_at_no_satellite_that_is_not_there() -> None:
    """With one antenna it would choose it for being the highest, and be cut off."""
    everybody = geometry(SCENARIO[: SCENARIO.index("lifecycle")])
    nobody = geometry(
        SCENARIO.replace("plane:p2, p3s00", "plane:p0, plane:p2, plane:p3").replace("at_s: 30", "")
    )
    alone = nobody.index_of("alone")
    there = set(select_names(nobody, "plane:p1"))
    for t_s in range(0, 600, 60):
        seen = [nobody.names[n] for n in _peers(nobody, alone, t_s)]
        assert set(seen) <= there
    assert any({everybody.names[n] for n in _peers(everybody, alone, t)} - there for t in range(0, 600, 60))


def test_an_ordered_launch_changes_nothing_before_the_second_boundary_from_then() -> None:
    """The fabric has been told of what comes next already."""
    told, sky = geometry(), geometry()
    boundary_s = sky.grid_clock.boundary_s(sky.grid_clock.number_at(40.0) + 2)
    before = [sky.epoch(t) for t in range(0, int(boundary_s), 5)]
    sky.take(sky.fleet.launch("later", boundary_s - 5.0))
    for t, epoch in zip(range(0, int(boundary_s), 5), before, strict=True):
        assert (sky.epoch(t).a.tolist(), sky.epoch(t).b.tolist()) == (epoch.a.tolist(), epoch.b.tolist())
        assert (told.epoch(t).next_hop == sky.epoch(t).next_hop).all()
    node = sky.index_of("p1s03")
    assert _lasers(sky, node, boundary_s + 60.0)
    assert not _lasers(told, node, boundary_s + 60.0)


def test_the_plan_says_who_comes_when_and_who_is_lost() -> None:
    records = [r for r in plan_records(geometry(), 60.0) if r["record"] == "launch"]
    assert [(r["t_s"], r["phase"], len(r["satellites"])) for r in records[:3]] == [
        (30.0, "commissioning", 13), (50.0, "in service", 1), (51.0, "in service", 1),
    ]  # fmt: skip
    assert len(records[0]["lost"]) == 3
    assert all(r["t_s"] < 60.0 for r in records)


def test_a_batch_is_a_word_wherever_a_fault_names_nodes() -> None:
    atlas = atlas_of(geometry())
    assert len(select("batch:first", atlas)) == 13
    assert len(select("shell:v3", atlas)) == 48
    assert len(drawn("random:4:batch:first", atlas, Lot(1), services=False)) == 4
    with pytest.raises(Unknown, match="did you mean 'first'"):
        select("batch:frist", atlas)
    with pytest.raises(Unknown, match="there is v3"):
        select("shell:v4", atlas)


def select_names(sky: Geometry, word: str) -> list[str]:
    return [sky.names[node] for node, _ in select(word, atlas_of(sky))]


def _linked(sky: Geometry, t_s: float) -> list[int]:
    epoch = sky.epoch(t_s)
    return [int(node) for node in np.unique(np.concatenate([epoch.a, epoch.b]))]


def _lasers(sky: Geometry, node: int, t_s: float) -> list[int]:
    return [other for other in _peers(sky, node, t_s) if other < sky.n_sat]


def _peers(sky: Geometry, node: int, t_s: float) -> list[int]:
    epoch = sky.epoch(float(t_s))
    return [*epoch.b[epoch.a == node].tolist(), *epoch.a[epoch.b == node].tolist()]
