"""Shrinking: what comes out still breaks, and nothing of it can go."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from random import Random
from typing import TypeVar

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from skyrack.orchestrator.hunt.draw import Drawer
from skyrack.orchestrator.hunt.kinds import DEFAULT, KINDS
from skyrack.orchestrator.hunt.schedule import Fault, Schedule
from skyrack.orchestrator.hunt.shrink import LEAD_DS, ddmin, shrink

from .hunt_stand_ins import LEASE_DS, FlatWorld, breaks

Candidate = TypeVar("Candidate")


def driven(trying: Generator[Candidate, bool, Candidate], fails: Callable[[Candidate], bool]) -> Candidate:
    answer = None
    while True:
        try:
            answer = fails(trying.send(answer) if answer is not None else next(trying))
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]


@given(
    st.integers(1, 24).flatmap(
        lambda n: st.tuples(
            st.just(n), st.lists(st.sets(st.integers(0, n - 1), min_size=1, max_size=5), min_size=1)
        )
    )
)
def test_ddmin_leaves_what_breaks_and_nothing_that_can_go(case: tuple[int, list[set[int]]]) -> None:
    """Whatever breaks: here, when all of any one of several sets are there, which need not contain each other."""
    n, causes = case

    def fails(items: tuple[int, ...]) -> bool:
        return any(cause <= set(items) for cause in causes)

    left = driven(ddmin(range(n)), fails) if fails(tuple(range(n))) else ()
    assert fails(left)
    assert list(left) == sorted(left), "the order was lost"
    for item in left:
        assert not fails(tuple(other for other in left if other != item)), "an item could go"


@given(st.sets(st.integers(0, 15)).filter(bool), st.integers(0, 2**16))
def test_ddmin_is_one_minimal_where_failing_is_arbitrary(seeds: set[int], salt: int) -> None:
    """Nothing is assumed: whether a subset fails is drawn; only the whole one fails for sure."""

    def fails(items: tuple[int, ...]) -> bool:
        return len(items) == 16 or Random(f"{salt}{seeds}{items}").random() < 0.3

    left = driven(ddmin(range(16)), fails)
    assert fails(left)
    if len(left) > 1:
        assert not any(fails(tuple(other for other in left if other != item)) for item in left)


def test_ddmin_finds_that_nothing_is_needed() -> None:
    assert driven(ddmin([1, 2, 3]), lambda items: True) == ()


@settings(max_examples=40)
@given(
    st.integers(0, 10_000), st.sampled_from(["-1s", "-5s", "-30s"]), st.sampled_from(["m0|m1,m2", "m0>m1,m2"])
)
def test_a_schedule_shrinks_to_the_two_faults_of_the_planted_bug(seed: int, value: str, cut: str) -> None:
    drawn = Drawer(FlatWorld(), DEFAULT, 30, 7200).fresh(Random(seed))
    planted = [
        Fault(51, "clock", "m0/register", value, 130),
        Fault(73, "partition", cut, "", 77),
    ]
    schedule = drawn.with_faults([*drawn.faults, *planted])
    assume(breaks(schedule))  # what is drawn beside it may hide it
    tried: list[Schedule] = []

    def fails(candidate: Schedule) -> bool:
        tried.append(candidate)
        return breaks(candidate)

    smallest = driven(shrink(schedule), fails)
    assert breaks(smallest)
    assert sorted(fault.kind for fault in smallest.faults) == ["clock", "partition"]
    for fault in smallest.faults:
        assert not breaks(smallest.with_faults(set(smallest.faults) - {fault}))
        assert fault.for_ds < LEASE_DS + 20, "it could be shorter"
        assert fault.at_ds % 10 == 0
    assert smallest.faults[0].at_ds == LEAD_DS
    assert next(fault.value for fault in smallest.faults if fault.kind == "clock") == "-1s", (
        "a milder one would do"
    )
    assert (smallest.start_s, smallest.seed) == (0, 1), "neither orbit nor seed mattered"
    assert smallest.span_s < 10
    assert len(set(tried)) < 120


def test_where_the_orbit_matters_the_moment_is_kept() -> None:
    """A bug that shows only when a fault meets one instant of the orbit."""
    schedule = Schedule(100, 30, 9, (Fault(60, "dark", "m1", "", 40), Fault(110, "down", "m0-m1", "", 50)))

    def fails(candidate: Schedule) -> bool:
        return any(
            fault.kind == "down" and candidate.start_s + fault.at_ds / 10 == 111.0
            for fault in candidate.faults
        )

    smallest = driven(shrink(schedule), fails)
    shortest = KINDS["down"].shortest_ds
    assert smallest == Schedule(109, 5, 1, (Fault(20, "down", "m0-m1", "", shortest),))


def test_a_fault_of_several_nodes_is_made_one_of_one() -> None:
    schedule = Schedule(0, 20, 1, (Fault(20, "pause", "m0,m1,m2", "", 5),))
    smallest = driven(
        shrink(schedule), lambda candidate: "m1" in candidate.faults[0].target if candidate.faults else False
    )
    assert smallest == replace(schedule, span_s=5, faults=(Fault(20, "pause", "m1", "", 5),))


def test_a_partition_has_fewer_nodes_on_its_other_side() -> None:
    schedule = Schedule(0, 5, 1, (Fault(20, "partition", "m0|m1,m2", "", 10),))
    smallest = driven(
        shrink(schedule),
        lambda candidate: any("m0|" in f.target and "m2" in f.target for f in candidate.faults),
    )
    assert smallest.words == ("partition:m0|m2@2s+1s",)
