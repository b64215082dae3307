"""Faults of a load as words: each is what it says, or refused with what was expected."""

from typing import Any

import pytest

from skyrack.orchestrator.cli.exits import USAGE, Problem
from skyrack.orchestrator.cli.fault_words import Timed, parse_fault

NAMES = ["p3s07", "p3s08", "gen1-p1s00", "new-york"]


@pytest.mark.parametrize(
    ("word", "at_s", "entry"),
    [
        (
            "latency:p3s07-p3s08:200ms@20s+30s",
            20.0,
            {"kind": "latency", "links": ["p3s07-p3s08"], "extra_s": 0.2, "for_s": 30.0},
        ),
        (
            "rate:new-york>p3s07:10Mbit@1.5s",
            1.5,
            {"kind": "rate", "links": ["new-york>p3s07"], "rate_bps": 1e7},
        ),
        ("loss:new-york:5%@0s+1m", 0.0, {"kind": "loss", "nodes": ["new-york"], "loss_ratio": 0.05, "for_s": 60.0}),
        ("down:p3s07-p3s08,new-york-p3s07@2", 2.0, {"kind": "down", "links": ["p3s07-p3s08", "new-york-p3s07"]}),
        ("dark:p3,gen1-p1s00@2s", 2.0, {"kind": "dark", "planes": ["p3"], "nodes": ["gen1-p1s00"]}),
    ],
)  # fmt: skip
def test_a_word_is_the_fault_that_it_says(word: str, at_s: float, entry: dict[str, Any]) -> None:
    assert parse_fault(word, NAMES) == Timed(at_s, "", entry)


def test_a_node_is_killed_as_before() -> None:
    assert parse_fault("kill:p3s07@20s", NAMES) == Timed(20.0, "p3s07", {})


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("kill:p3s07", "expected kill:NODE@TIME"),
        ("kill@2s", "expected kill:NODE@TIME"),
        ("", "expected kill:NODE@TIME"),
        ("latency:a:b:c@1s", "expected kill:NODE@TIME"),
        ("explode:p3s07@2s", "the kinds are kill, latency, rate, loss, down, dark"),
        ("latency:p3s07@2s", "latency needs a value, as in latency:TARGET:200ms@20s"),
        ("down:p3s07:5@2s", "down has no value"),
        ("kill:p3s07@2s+5s", "stays so until"),
        ("loss:p3s07:lots@2s", "is not a share"),
        ("rate:p3s07:-1@2s", "is not a rate"),
        ("down:p3s07@soon", "is not a time span"),
        ("down:p3s07@2s+ever", "is not a time span"),
    ],
)
def test_a_word_that_is_none_is_refused_with_what_was_expected(word: str, said: str) -> None:
    with pytest.raises(Problem) as refused:
        parse_fault(word, NAMES)
    assert said in str(refused.value)
    assert refused.value.status == USAGE
