"""What is wrong with a request for faults is said in words that help."""

import math
from typing import Any

import pytest

from skyrack.orchestrator.cli.exits import Problem
from skyrack.orchestrator.cli.fault_values import parse_rate_bps, parse_ratio, parse_shift_s
from skyrack.orchestrator.faults.atlas import Atlas
from skyrack.orchestrator.faults.fault import Pulse
from skyrack.orchestrator.faults.lot import Lot
from skyrack.orchestrator.faults.problem import FaultProblem, Unknown
from skyrack.orchestrator.faults.request import read_requests
from skyrack.orchestrator.routing.condition import Condition
from skyrack.orchestrator.routing.cut import Cut
from skyrack.orchestrator.scenario.campaigns import read_campaign

NAMES = ["p0s00", "p0s01", "p1s00", "new-york", "london"]
ATLAS = Atlas(NAMES, 3, len(NAMES) - 3, [(0, 1), (0, 2)])


def read(**fault: Any) -> Any:
    return read_requests({"faults": [fault]}, ATLAS, Lot)[0]


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


@pytest.mark.parametrize("kind", ["storm", "saa"])
def test_radiation_comes_to_satellites_alone_and_a_word_for_everybody_means_these(kind: str) -> None:
    effect = read(kind=kind, nodes=["all"]).draft.effect
    assert set(effect.radiation or effect.anomaly) == {0, 1, 2}
    assert read(kind=kind, planes=["p0"]).draft.target.nodes == (0, 1)


def test_a_partition_cuts_both_ways_unless_it_is_one_way_and_off_everybody_unless_it_names_them() -> None:
    both = read(kind="partition", nodes=["london"], to=["p0s00"])
    assert both.draft.effect.cuts == (
        Cut(frozenset({4}), frozenset({0})),
        Cut(frozenset({0}), frozenset({4})),
    )
    one_way = read(kind="partition", planes=["p0"], one_way=True)
    assert one_way.draft.effect.cuts == (Cut(frozenset({0, 1}), frozenset({2, 3, 4})),)


def test_damage_may_be_of_one_direction() -> None:
    fault = read(kind="corrupt", links=["p0s01>p0s00"], corrupt_ratio=0.01)
    assert dict(fault.draft.effect.links) == {(1, 0): Condition(corrupt_ratio=0.01)}


def test_a_link_that_flaps_is_dark_for_half_of_each_period_unless_it_says_otherwise() -> None:
    assert read(kind="flap", links=["p0s00-p0s01"], period_s=2).draft.pulse == Pulse(2.0, 1.0)
    some = read(kind="flap", nodes=["p0s00"], period_s=0.2, down_ratio=0.25)
    assert some.draft.pulse == Pulse(0.2, 0.05)
    assert all(condition.down for condition in some.draft.effect.links.values())


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"kind": "corrupt", "links": ["p0s00-p0s01"]}, "corrupt_ratio: expected share of packets to damage"),
        ({"kind": "corrupt", "nodes": ["london"], "to": ["p0s00"], "corrupt_ratio": 1}, "two sides"),
        (
            {"kind": "flap", "links": ["p0s00-p0s01"]},
            "period_s: expected seconds from one darkness to the next",
        ),
        ({"kind": "flap", "links": ["p0s00-p0s01"], "period_s": 1, "down_ratio": 1}, "at most 0.99, found 1"),
        ({"kind": "flap", "links": ["p0s00>p0s01"], "period_s": 1}, "acts on both directions"),
        ({"kind": "partition", "links": ["p0s00-p0s01"]}, "acts on nodes or planes, not on links"),
        ({"kind": "partition", "nodes": ["london"], "to": ["london"]}, "london is on both sides"),
        ({"kind": "partition", "nodes": NAMES}, "nobody is left for the other side"),
        ({"kind": "partition", "nodes": ["london"], "one_way": 1}, "one_way: expected true or false"),
        (
            {},
            "no kind of fault is called 'None': there are latency, rate, loss, corrupt, down, flap, dark, manoeuvre, partition",
        ),
        ({"kind": "latncy"}, "did you mean 'latency'?"),
        ({"kind": "latency", "links": ["p0s00-p0s01"]}, "extra_s: expected delay to add, above 0"),
        ({"kind": "latency", "links": ["p0s00-p0s01"], "extra_s": -1}, "found -1"),
        ({"kind": "latency", "links": ["p0s00-p0s01"], "extra_s": True}, "found True"),
        ({"kind": "loss", "links": ["p0s00-p0s01"], "loss_ratio": 5}, "at most 1, found 5"),
        ({"kind": "down"}, "acts on what? Give links, nodes"),
        ({"kind": "down", "links": "p0s00-p0s01"}, "links: expected a list of names"),
        ({"kind": "down", "links": ["p0s00-p0s01"], "for_s": 0}, "for_s: expected how long"),
        ({"kind": "down", "links": ["p0s00-p0s01"], "for_s": 1e9}, "above 0 and at most 31,622,400, found"),
        (
            {"kind": "down", "links": ["p0s00-p0s01"], "cause": "a\nb"},
            "cause: expected a line of at most 200",
        ),
        ({"kind": "down", "links": ["p0s00-p0s01"], "extra": 1}, "unknown key 'extra'"),
        ({"kind": "down", "links": ["p0s01-p1s00"]}, "p0s01 and p1s00 are never linked"),
        ({"kind": "down", "links": ["p0s00-p0s00"]}, "both ends are p0s00"),
        ({"kind": "down", "links": ["p0s00>p0s01"]}, "acts on both directions: write p0s00-p0s01"),
        ({"kind": "down", "links": ["p0s00"]}, "is not a link: expected A-B"),
        ({"kind": "dark", "links": ["p0s00-p0s01"]}, "acts on nodes or planes, not on links"),
        ({"kind": "storm"}, "acts on what? Give satellites, as nodes or planes"),
        (
            {"kind": "storm", "nodes": ["p0s00", "london"]},
            "london is on the ground: this kind of fault acts on sat",
        ),
        ({"kind": "saa", "nodes": ["london"]}, "london is on the ground"),
    ],
)
def test_a_request_that_cannot_be_carried_out_is_refused_with_the_reason(
    fault: dict[str, Any], words: str
) -> None:
    with pytest.raises(FaultProblem) as caught:
        read_requests({"faults": [fault]}, ATLAS, Lot)
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
        read_requests({"faults": [fault]}, ATLAS, Lot)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kinds": None}, "missing key 'kinds'"),
        ({"every_s": -1}, "every_s must be more than 0 (s), found -1"),
        ({"name": "A b"}, "name: expected a name of lower case letters"),
        ({"kinds": ["kil"]}, "found 'kil' (did you mean 'kill'?)"),
        ({"for_s": [5, 2]}, "for_s: expected [least, most], above 0 and in this order ([2, 5])"),
        ({"evry_s": 3}, "unknown key 'evry_s' (did you mean 'every_s'?)"),
    ],
)
def test_a_campaign_that_is_asked_for_is_refused_in_the_words_of_the_scenario(
    change: dict[str, Any], said: str
) -> None:
    """Not in those of the library that validates it."""
    body = {"name": "late", "kinds": ["kill"], "on": ["london"], "every_s": 5, "until_s": 60} | change
    with pytest.raises(FaultProblem) as caught:
        read_campaign({key: value for key, value in body.items() if value is not None})
    assert str(caught.value).startswith("campaign: ")
    assert said in str(caught.value)


@pytest.mark.parametrize("body", [{}, {"faults": []}, {"faults": {}}, {"faults": ["down"]}])
def test_a_body_without_faults_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(FaultProblem):
        read_requests(body, ATLAS, Lot)


def test_rates_and_shares_are_read_as_people_write_them() -> None:
    assert [parse_rate_bps(text) for text in ("10Mbit", "1.5Gbit/s", "250k", "1e9")] == [
        1e7,
        1.5e9,
        2.5e5,
        1e9,
    ]
    assert [parse_ratio(text) for text in ("5%", "0.05")] == [0.05, 0.05]
    assert [parse_shift_s(text) for text in ("-5s", "200ms")] == [-5.0, 0.2]
    for parse, text in ((parse_rate_bps, "10 MB"), (parse_rate_bps, "fast"), (parse_ratio, "5 percent")):
        with pytest.raises(Problem):
            parse(text)
