"""What is wrong with a request for faults is said in words that help."""

import math
from typing import Any

import pytest

from skyrack.orchestrator.cli.exits import Problem
from skyrack.orchestrator.cli.fault import parse_rate_bps, parse_ratio
from skyrack.orchestrator.faults.atlas import Atlas
from skyrack.orchestrator.faults.problem import FaultProblem, Unknown
from skyrack.orchestrator.faults.request import read_requests
from skyrack.orchestrator.routing.condition import Condition

NAMES = ["p0s00", "p0s01", "p1s00", "new-york", "london"]
ATLAS = Atlas(NAMES, 3, len(NAMES) - 3, [(0, 1), (0, 2)])


def read(**fault: Any) -> Any:
    return read_requests({"faults": [fault]}, ATLAS)[0]


def test_a_link_means_both_directions_and_an_arrow_means_one() -> None:
    both = read(kind="latency", links=["p0s00-p0s01"], extra_s=0.2, for_s=30)
    assert dict(both.draft.effect.links) == {(0, 1): Condition(0.2), (1, 0): Condition(0.2)}
    assert both.draft.for_s == 30.0
    one = read(kind="loss", links=["p0s01>p0s00"], loss_ratio=0.5, in_s=2)
    assert dict(one.draft.effect.links) == {(1, 0): Condition(loss_ratio=0.5)}
    assert (one.in_s, one.draft.for_s) == (2.0, math.inf)


def test_names_with_hyphens_are_told_apart_from_links() -> None:
    assert set(read(kind="down", links=["new-york-p1s00"]).draft.effect.links) == {(3, 2), (2, 3)}


def test_a_plane_means_its_satellites() -> None:
    assert read(kind="dark", planes=["p0"]).draft.effect.dark == {0, 1}


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({}, "no kind of fault is called 'None': there are latency, rate, loss, down, flap, dark, partition"),
        ({"kind": "latncy"}, "did you mean 'latency'?"),
        ({"kind": "latency", "links": ["p0s00-p0s01"]}, "extra_s: expected delay to add, above 0"),
        ({"kind": "latency", "links": ["p0s00-p0s01"], "extra_s": -1}, "found -1"),
        ({"kind": "latency", "links": ["p0s00-p0s01"], "extra_s": True}, "found True"),
        ({"kind": "loss", "links": ["p0s00-p0s01"], "loss_ratio": 5}, "at most 1, found 5"),
        ({"kind": "down"}, "acts on what? Give links, nodes"),
        ({"kind": "down", "links": "p0s00-p0s01"}, "links: expected a list of names"),
        ({"kind": "down", "links": ["p0s00-p0s01"], "for_s": 0}, "for_s: expected how long"),
        ({"kind": "down", "links": ["p0s00-p0s01"], "extra": 1}, "unknown key 'extra'"),
        ({"kind": "down", "links": ["p0s01-p1s00"]}, "p0s01 and p1s00 are never linked"),
        ({"kind": "down", "links": ["p0s00-p0s00"]}, "both ends are p0s00"),
        ({"kind": "down", "links": ["p0s00>p0s01"]}, "acts on both directions: write p0s00-p0s01"),
        ({"kind": "down", "links": ["p0s00"]}, "is not a link: expected A-B"),
        ({"kind": "dark", "links": ["p0s00-p0s01"]}, "acts on nodes or planes, not on links"),
    ],
)
def test_a_request_that_cannot_be_carried_out_is_refused_with_the_reason(
    fault: dict[str, Any], words: str
) -> None:
    with pytest.raises(FaultProblem) as caught:
        read_requests({"faults": [fault]}, ATLAS)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"kind": "down", "links": ["p0s00-p0s09"]}, "no node is called 'p0s09': did you mean"),
        ({"kind": "dark", "nodes": ["paris"]}, "no node is called 'paris'"),
        ({"kind": "dark", "planes": ["p7"]}, "no plane is called 'p7'"),
    ],
)
def test_names_that_nothing_has_are_said(fault: dict[str, Any], words: str) -> None:
    with pytest.raises(Unknown) as caught:
        read_requests({"faults": [fault]}, ATLAS)
    assert words in str(caught.value)


@pytest.mark.parametrize("body", [{}, {"faults": []}, {"faults": {}}, {"faults": ["down"]}])
def test_a_body_without_faults_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(FaultProblem):
        read_requests(body, ATLAS)


def test_rates_and_shares_are_read_as_people_write_them() -> None:
    assert [parse_rate_bps(text) for text in ("10Mbit", "1.5Gbit/s", "250k", "1e9")] == [
        1e7,
        1.5e9,
        2.5e5,
        1e9,
    ]
    assert [parse_ratio(text) for text in ("5%", "0.05")] == [0.05, 0.05]
    for parse, text in ((parse_rate_bps, "10 MB"), (parse_rate_bps, "fast"), (parse_ratio, "5 percent")):
        with pytest.raises(Problem):
            parse(text)
