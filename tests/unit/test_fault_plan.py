"""One seed gives one plan, whatever else is planned, in every process; campaigns draw what they say."""

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyrack.orchestrator.faults.atlas import Atlas
from skyrack.orchestrator.faults.campaign import Campaign, draw
from skyrack.orchestrator.faults.fault import Planned
from skyrack.orchestrator.faults.lot import Lot
from skyrack.orchestrator.faults.plan import Timetable, planned
from skyrack.orchestrator.faults.problem import FaultProblem
from skyrack.orchestrator.faults.request import entry_of, read_draft

NAMES = [f"p{plane}s{slot:02d}" for plane in range(4) for slot in range(4)] + ["london", "tokyo"]
LASERS = [(4 * plane + slot, 4 * plane + slot + 1) for plane in range(4) for slot in range(3)]
ATLAS = Atlas(NAMES, 16, 2, LASERS, services=lambda: {"etcd": [0, 4, 8, 12]}, inhabited=[0, 4, 8, 12, 16, 17])
STORM = Campaign(
    "storm",
    [{"kind": "kill"}, {"kind": "pause"}, {"kind": "latency", "extra_s": 0.2}, {"kind": "partition"}],
    ("service:etcd",),
    every_s=5.0,
    for_s=(2.0, 5.0),
    from_s=10.0,
    until_s=300.0,
)
OTHER = replace(STORM, name="other", kinds=[{"kind": "dark"}], on=("satellites",))
SCHEDULE = [
    {"kind": "dark", "nodes": ["random:3:satellites"], "at_s": 7.0},
    {"kind": "lost", "nodes": ["plane:p1"], "at_s": 3.0},
]
# What another interpreter, with another order of its sets, prints of the same.
PRINT = """
import sys; sys.path.insert(0, ".")
from tests.unit.test_fault_plan import text
sys.stdout.write(text(7))
"""


def told(faults: list[Planned]) -> list[tuple[float, dict[str, object]]]:
    return [(fault.at_s, entry_of(fault.draft)) for fault in faults]


def text(seed: int) -> str:
    return json.dumps(told(planned(Timetable(SCHEDULE, [STORM, OTHER]), ATLAS, seed)))


def test_another_process_plans_the_same_byte_for_byte() -> None:
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", PRINT], env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout == text(7)
    assert text(8) != text(7)


@settings(max_examples=25)
@given(st.integers(0, 2**53), st.permutations([STORM, OTHER, replace(STORM, name="third")]))
def test_a_campaign_is_the_same_whatever_stands_beside_it(seed: int, campaigns: list[Campaign]) -> None:
    alone = told(draw(STORM, ATLAS, seed))
    beside = planned(Timetable(SCHEDULE, campaigns), ATLAS, seed)
    assert [one for one in told(beside) if one[1]["cause"] == "campaign storm"] == alone
    assert [fault.at_s for fault in beside] == sorted(fault.at_s for fault in beside)


@settings(max_examples=25)
@given(st.integers(0, 2**53), st.integers(1, 4))
def test_no_more_act_at_once_than_is_said_and_the_others_are_those_without_a_bound(
    seed: int, most: int
) -> None:
    bounded = draw(replace(STORM, most_at_once=most), ATLAS, seed)
    free = told(draw(STORM, ATLAS, seed))
    assert all(one in free for one in told(bounded))
    for fault in bounded:
        acting = [f for f in bounded if f.at_s <= fault.at_s < f.at_s + f.draft.for_s]
        assert len(acting) <= most


@settings(max_examples=25)
@given(st.integers(0, 2**53))
def test_what_is_drawn_is_of_the_kinds_times_and_places_that_were_asked_for(seed: int) -> None:
    for fault in draw(STORM, ATLAS, seed):
        drawn = fault.draft
        assert STORM.from_s <= fault.at_s < STORM.until_s
        assert drawn.kind in {"kill", "pause", "latency", "partition"}
        assert drawn.for_s == 0.0 if drawn.kind == "kill" else 2.0 <= drawn.for_s <= 5.0
        match drawn.kind:
            case "kill" | "pause":
                assert [service for _, service in drawn.target.places] == ["etcd"]
            case "latency":
                (a, b), _ = drawn.target.ways
                assert {(a, b), (b, a)} & set(LASERS), "a laser that is there for good"
            case "partition":
                assert 1 <= len(drawn.target.nodes) <= 2
                assert {*drawn.target.nodes, *drawn.target.to} == {0, 4, 8, 12}


def test_gaps_are_exponential_with_the_mean_that_was_asked_for() -> None:
    faults = draw(replace(STORM, until_s=40_000.0), ATLAS, 1)
    gaps = [b.at_s - a.at_s for a, b in pairwise(faults)]
    mean = sum(gaps) / len(gaps)
    assert mean == pytest.approx(5.0, rel=0.05)
    spread = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    assert spread == pytest.approx(mean, rel=0.1), "as wide as an exponential is"


def test_an_entry_of_a_plan_is_the_same_fault_again() -> None:
    for fault in planned(Timetable(SCHEDULE, [STORM, OTHER]), ATLAS, 3):
        assert read_draft(entry_of(fault.draft), ATLAS, Lot(99)) == fault.draft


def test_kinds_last_as_long_as_they_do_where_nobody_says() -> None:
    def lasts(kind: str) -> float:
        return read_draft({"kind": kind, "nodes": ["p0s00"]}, ATLAS, Lot(1)).for_s

    assert (lasts("kill"), lasts("reboot"), lasts("power")) == (0.0, 30.0, 30.0)
    assert (lasts("lost"), lasts("pause")) == (math.inf, math.inf)


def test_what_is_wrong_names_the_entry() -> None:
    with pytest.raises(FaultProblem, match=r"faults.schedule item 2: no node is called 'p9s99'"):
        planned(Timetable([SCHEDULE[0], {"kind": "dark", "nodes": ["p9s99"], "at_s": 1.0}]), ATLAS, 1)
    with pytest.raises(FaultProblem, match=r"faults.campaigns item 1: no service is called 'redis'"):
        planned(Timetable(campaigns=[replace(STORM, on=("service:redis",))]), ATLAS, 1)


def test_each_upset_of_a_campaign_draws_for_itself_what_it_hits() -> None:
    campaign = replace(STORM, kinds=({"kind": "crash"},), on=("p0s00",), every_s=5.0, most_at_once=None)
    draws = [fault.draft.values["draw"] for fault in draw(campaign, ATLAS, 1)]
    assert len(draws) > 5
    assert len(set(draws)) == len(draws), "a bit that is turned over twice is as it was"
