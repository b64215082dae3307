"""Storms are known in one form: what is in force, and what covers which orbit time, whatever the clock is told."""

from __future__ import annotations

import math

from skyrack.orchestrator.environment.spells import CALM, InForce
from skyrack.orchestrator.environment.stays import united
from skyrack.orchestrator.faults.effect import Effect
from skyrack.orchestrator.faults.fault import Draft
from skyrack.orchestrator.faults.ledger import Ledger
from skyrack.orchestrator.faults.targets import Target
from skyrack.orchestrator.runtime.storms import Storms
from skyrack.orchestrator.timeline import Timeline


class World:
    """Storms of a ledger, and how often they were said to be others."""

    def __init__(self) -> None:
        self.timeline = Timeline(10.0)
        self.ledger = Ledger(self.timeline.speed_at)
        self.storms = Storms(self.timeline)
        self.changes = self.turns = 0
        self.storms.on_change, self.storms.on_turn = self._change, self._turn

    def _change(self) -> None:
        self.changes += 1

    def _turn(self) -> None:
        self.turns += 1

    def add(self, effect: Effect, since_s: float, for_s: float) -> str:
        fault = self.ledger.add(Draft("storm", Target(("there",)), {}, effect, for_s, "test"), since_s)
        self.storms.note([fault])
        return fault.id

    def follow(self, until_s: float) -> None:
        while self.ledger.next_s() <= until_s:
            self.storms.follow(self.ledger.step())


def test_those_that_act_multiply_each_other_and_nothing_is_left_of_them() -> None:
    world = World()
    world.add(Effect(radiation={0: 20.0, 1: 20.0}), 1.0, 4.0)
    world.add(Effect(radiation={1: 3.0}), 2.0, 2.0)
    world.add(Effect(anomaly=frozenset({5})), 2.0, math.inf)
    world.add(Effect(dark=frozenset({2})), 2.5, 1.0)
    world.follow(2.9)
    assert world.storms.now == InForce({0: 20.0, 1: 60.0}, frozenset({5}))
    assert (world.changes, world.turns) == (3, 2), "darkness is no storm"
    world.storms.end("f3", 5.0)
    world.ledger.end("f3", 5.0)
    world.follow(9.0)
    assert world.storms.now == CALM
    assert world.turns == 4
    spells = world.storms.spells
    assert spells.storms(1) == [(10.0, 50.0, 20.0), (20.0, 40.0, 3.0)], (
        "those that are over count for the dose"
    )
    assert spells.stays(5) == [(20.0, 50.0)]


def test_one_that_is_ordered_while_the_orbits_stand_still_is_in_force_and_covers_what_comes_of_them() -> None:
    world = World()
    world.timeline.change(1.0, speed=0.0)
    world.add(Effect(radiation={0: 20.0}), 2.0, 10.0)
    world.follow(2.0)
    assert world.storms.now.factor(0) == 20.0
    assert world.storms.spells.storms(0) == []
    world.timeline.change(5.0, speed=1.0)
    assert world.storms.spells.storms(0) == [(10.0, 17.0, 20.0)]


def test_one_that_is_removed_before_it_begins_never_was() -> None:
    world = World()
    fault_id = world.add(Effect(radiation={0: 20.0}), 8.0, 10.0)
    world.ledger.end(fault_id, 3.0)
    world.storms.end(fault_id, 3.0)
    world.follow(20.0)
    assert (world.storms.now, world.storms.spells.storms(0)) == (CALM, [])


def test_stays_that_overlap_or_meet_are_one() -> None:
    assert united([(5.0, 6.0), (0.0, 2.0)], [(1.0, 3.0), (3.0, 4.0)]) == [(0.0, 4.0), (5.0, 6.0)]
