"""The parts of `Faults`: what goes on after another orchestrator, and what routes are told ahead of time."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import cast

import pytest

from skyrack.orchestrator.faults.effect import Effect
from skyrack.orchestrator.faults.fault import Draft, Fault, Stage
from skyrack.orchestrator.faults.occurrence import Known
from skyrack.orchestrator.faults.problem import FaultProblem
from skyrack.orchestrator.faults.targets import Target
from skyrack.orchestrator.routing.condition import Condition
from skyrack.orchestrator.runtime.announcements import AROUND_S, Announcements
from skyrack.orchestrator.runtime.befallen import Befallen
from skyrack.orchestrator.runtime.fault_journal import Kept
from skyrack.orchestrator.runtime.fault_resumption import UNDO_S, is_done, resumed
from skyrack.orchestrator.runtime.feed import Feed
from skyrack.orchestrator.topology.failures import NO_FAILURES, Failures

STAGES = tuple(Stage(name, Effect(), 10.0, orbit=False) for name in ("drain", "erase", "deorbit"))
DRAFT = Draft("retire", Target(("p0s00",)), {}, Effect(), math.inf, "test", stages=STAGES)
NOW_S = 100.0


def kept(since_s: float, until_s: float, *, begun: bool, over: bool = False, left: int | None = None) -> Kept:
    return Kept("f7", since_s, until_s, {"kind": "retire"}, begun, over, left)


@pytest.mark.parametrize(
    ("fault", "since_s", "until_s"),
    [
        (kept(90.0, 120.0, begun=True), NOW_S, 120.0),
        (kept(90.0, 95.0, begun=True), NOW_S, NOW_S + UNDO_S),
        (kept(90.0, math.inf, begun=True), NOW_S, math.inf),
        (kept(110.0, 110.0, begun=False), 110.0, 110.0),
    ],
    ids=["acts on", "is undone", "acts for good", "is to come, at once"],
)
def test_a_fault_goes_on_from_where_it_was(fault: Kept, since_s: float, until_s: float) -> None:
    assert not is_done(fault)
    assert resumed(fault, lambda _: DRAFT, NOW_S) == Fault("f7", DRAFT, since_s, until_s)


def test_a_stage_that_was_broken_off_begins_anew() -> None:
    found = resumed(kept(90.0, math.inf, begun=True, left=1), lambda _: DRAFT, NOW_S)
    assert [stage.name for stage in found.draft.stages] == ["erase", "deorbit"]


def test_what_is_done_does_not_go_on_and_what_was_missed_never_comes() -> None:
    assert is_done(kept(90.0, 120.0, begun=True, over=True))
    assert is_done(kept(90.0, 90.0, begun=True))
    with pytest.raises(FaultProblem, match="its time has passed"):
        resumed(kept(80.0, 90.0, begun=False), lambda _: DRAFT, NOW_S)


class Told:
    """A feed that notes what routes are told."""

    def __init__(self) -> None:
        self.failures = NO_FAILURES
        self.said: list[tuple[Failures, Failures]] = []

    def announce(self, *, worse: Failures = NO_FAILURES, better: Failures = NO_FAILURES) -> None:
        self.said.append((worse, better))


def manoeuvre(fault_id: str, since_s: float) -> Fault:
    effect = Effect(links={(4, 2): Condition(down=True), (2, 4): Condition(down=True)})
    return Fault(fault_id, replace(DRAFT, kind="manoeuvre", effect=effect, stages=()), since_s, since_s + 5.0)


def test_routes_leave_what_a_planned_fault_takes_and_come_back_if_it_is_called_off() -> None:
    feed = Told()
    announcements = Announcements(cast(Feed, feed))
    announcements.expect(replace(manoeuvre("f1", 1.0), draft=replace(DRAFT, kind="down")))
    assert announcements.next_s() == math.inf, "nobody knows of an outage beforehand"
    for fault in (manoeuvre("f3", 30.0), manoeuvre("f2", 20.0)):
        announcements.expect(fault)
    assert announcements.next_s() == 20.0 - AROUND_S
    announcements.make()
    link = Failures(links=frozenset({(2, 4)}))
    announcements.take_back("f2")
    announcements.take_back("f3")
    announcements.over("f2")
    assert feed.said == [(link, NO_FAILURES), (NO_FAILURES, link)]
    assert announcements.next_s() == math.inf, "f3 had not been announced"


def test_occurrences_count_when_they_begin_and_faults_of_others_never() -> None:
    befallen, one = Befallen(), manoeuvre("f1", 1.0)
    befallen.entered(one, Known("avoidance", "manoeuvre p0s00", 1.0, 5.0))
    assert not befallen.came
    befallen.began([one, manoeuvre("f2", 1.0)])
    befallen.began([one])
    assert befallen.came == {("avoidance", "manoeuvre"): 1}
