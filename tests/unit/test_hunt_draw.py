"""Drawing: the same seed draws the same bytes, and nothing that could not be carried out."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from skyrack.orchestrator.faults import kinds as engine
from skyrack.orchestrator.hunt.coverage import signature
from skyrack.orchestrator.hunt.draw import MARGIN_DS, MOST_FAULTS, Drawer
from skyrack.orchestrator.hunt.kinds import DEFAULT, KINDS
from skyrack.orchestrator.hunt.schedule import Fault, Schedule
from skyrack.orchestrator.hunt.world import OrbitWorld
from skyrack.orchestrator.routing.plan import plan_records
from skyrack.orchestrator.scenario import load_scenario
from skyrack.orchestrator.topology.geometry import Geometry

from .hunt_stand_ins import FlatWorld

SPAN_S = 20
ORBIT_S = 6000
DRAW = """
import json
from random import Random
from skyrack.orchestrator.hunt.draw import Drawer
from skyrack.orchestrator.hunt.kinds import KINDS
from tests.unit.hunt_stand_ins import FlatWorld
drawer, random = Drawer(FlatWorld(), tuple(KINDS), 20, 6000), Random("7")
parent = drawer.fresh(random)
for _ in range(200):
    parent = drawer.mutated(random, parent, drawer.fresh(random))
    print(json.dumps(parent.as_json()))
"""


def test_the_same_seed_draws_the_same_bytes_in_any_process() -> None:
    """Hashes of strings differ between processes: no order of a set may matter."""
    said = [
        subprocess.run(
            [sys.executable, "-c", DRAW], capture_output=True, check=True, env={"PYTHONHASHSEED": str(n)}
        ).stdout
        for n in (1, 2)
    ]
    assert said[0].count(b"\n") == 200
    assert said[0] == said[1]


def require_possible(schedule: Schedule, world: FlatWorld) -> None:
    assert len(schedule.faults) <= MOST_FAULTS
    assert list(schedule.faults) == sorted(set(schedule.faults))
    for fault in schedule.faults:
        assert fault.at_ds >= MARGIN_DS
        assert fault.end_ds <= 10 * schedule.span_s, "it ends after the load"
        kind = KINDS[fault.kind]
        assert bool(kind.longest_ds) == bool(fault.for_ds)
        assert (fault.value in kind.values) if kind.values else not fault.value
        if "/" in fault.target:
            assert kind.of_service
            assert fault.target in [f"{node}/{world.service}" for node in world.members]
        elif engine.KINDS[fault.kind].acts_on == "sides":
            sides = [side.split(",") for side in re.split("[|>]", fault.target)]
            assert sorted(name for side in sides for name in side) in (list(world.members), [fault.node])
        elif engine.KINDS[fault.kind].acts_on == "links":
            a, b = fault.target.split("-")
            assert any((a, b) in world.links(t_s) for t_s in (0.0, 37.0)), "no such link"
        else:
            assert fault.target in (*world.inhabited, "s4"), "no such node"


@given(st.integers(), st.integers(0, 40))
def test_what_is_drawn_can_be_carried_out(seed: int, mutations: int) -> None:
    world = FlatWorld()
    drawer, random = Drawer(world, tuple(KINDS), SPAN_S, ORBIT_S), Random(seed)
    schedule = drawer.fresh(random)
    require_possible(schedule, world)
    for _ in range(mutations):
        mutated = drawer.mutated(random, schedule, drawer.fresh(random))
        assert mutated != schedule, "a trial that is known already"
        require_possible(mutated, world)
        assert Schedule.of_json(json.loads(json.dumps(mutated.as_json()))) == mutated
        schedule = mutated


def test_draws_reach_every_kind_and_many_states() -> None:
    world = FlatWorld()
    drawer, random = Drawer(world, DEFAULT, SPAN_S, ORBIT_S), Random(1)
    schedules = [drawer.fresh(random) for _ in range(300)]
    assert {fault.kind for one in schedules for fault in one.faults} == set(DEFAULT)
    states = {word for one in schedules for word in signature(one, world)}
    for when in ("before", "after", "apart"):
        assert any(f" {when} lit=" in word for word in states), f"no fault came {when} a change of ways"
    beside = [one for one in schedules if world.changes_s(one.start_s + 2, one.start_s + SPAN_S - 2)]
    assert len(beside) > 0.6 * len(schedules), "loads are to meet changes of ways more often than by chance"


@given(
    st.builds(
        Fault,
        st.integers(0, 9999),
        st.sampled_from(list(KINDS)),
        st.just("a-b"),
        st.just("-5s"),
        st.integers(0, 99),
    )
)
def test_a_word_says_all_of_a_fault(fault: Fault) -> None:
    assert Fault.of(fault.word) == fault


def test_what_a_hunt_draws_are_kinds_of_the_engine() -> None:
    assert set(DEFAULT) <= KINDS.keys() <= engine.KINDS.keys()
    for name, kind in KINDS.items():
        assert engine.KINDS[name].at_once is not bool(kind.longest_ds)
        assert bool(engine.KINDS[name].parameters) is bool(kind.values)
        if kind.of_service:
            assert engine.KINDS[name].acts_on == "places"


def test_the_world_of_a_scenario_is_that_of_its_plan() -> None:
    geometry = Geometry(load_scenario("iridium"))
    members = tuple(geometry.names[node] for node in geometry.inhabited.tolist()[:3])
    world = OrbitWorld(geometry, "register", members, ("london", "tokyo"))
    changes = world.changes_s(0.0, 1200.0)
    assert changes, "no way has changed in 20 minutes"
    routes = [record for record in plan_records(geometry, 1200.0) if record["record"] == "route"]
    pairs = {(a, b) for a in world.clients for b in members}
    planned = {
        record["t_s"] for record in routes if (record["from"], record["to"]) in pairs and record["t_s"]
    }
    assert planned <= {round(at_s, 6) for at_s in changes}, (
        "ways between members change as well, and are not planned"
    )
    for a, b in world.links(0.0):
        assert geometry.epoch(0.0).link_of(geometry.index_of(a), geometry.index_of(b)) is not None
    assert [world.role(name) for name in (members[0], "tokyo", "p5s05", "p0s00-p0s01")] == [
        "member",
        "gateway",
        "satellite",
        "link",
    ]
    assert world.lit("london", 0.0) >= 1
    hops = world.hops(0.0)
    assert hops is not None
    assert 1 <= hops < 12


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1000))
def test_a_real_orbit_is_drawn_from_as_well(seed: int) -> None:
    geometry = Geometry(load_scenario("iridium"))
    members = tuple(geometry.names[node] for node in geometry.inhabited.tolist()[:3])
    drawer = Drawer(OrbitWorld(geometry, "register", members, ("london",)), DEFAULT, SPAN_S, ORBIT_S)
    schedule = drawer.fresh(Random(seed))
    assert schedule == drawer.fresh(Random(seed))
    assert schedule.faults
    assert signature(schedule, drawer.world)
