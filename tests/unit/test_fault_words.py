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
        ("rate:new-york>p3s07:10Mbit@1.5s", 1.5, {"kind": "rate", "links": ["new-york>p3s07"], "rate_bps": 1e7}),
        ("loss:new-york:5%@0s+1m", 0.0, {"kind": "loss", "nodes": ["new-york"], "loss_ratio": 0.05, "for_s": 60.0}),
        ("down:p3s07-p3s08,new-york-p3s07@2", 2.0, {"kind": "down", "links": ["p3s07-p3s08", "new-york-p3s07"]}),
        ("dark:p3,gen1-p1s00@2s", 2.0, {"kind": "dark", "planes": ["p3"], "nodes": ["gen1-p1s00"]}),
        ("kill:p3s07@20s", 20.0, {"kind": "kill", "nodes": ["p3s07"]}),
        ("kill:p3s07/etcd@20s", 20.0, {"kind": "kill", "nodes": ["p3s07/etcd"]}),
        ("cpu:p3s07:0.1@10s+20s", 10.0, {"kind": "cpu", "nodes": ["p3s07"], "cpu_ratio": 0.1, "for_s": 20.0}),
        ("clock:p3s07/register:-5s@1s", 1.0, {"kind": "clock", "nodes": ["p3s07/register"], "clock_s": -5.0}),
        (
            "flap:p3s07-p3s08:2s,30%@1s+30s",
            1.0,
            {"kind": "flap", "links": ["p3s07-p3s08"], "period_s": 2.0, "down_ratio": 0.3, "for_s": 30.0},
        ),
        ("partition:p3s07,p3@1s", 1.0, {"kind": "partition", "nodes": ["p3s07"], "planes": ["p3"]}),
        ("partition:p3s07>rest@1s", 1.0, {"kind": "partition", "nodes": ["p3s07"], "one_way": True}),
        (
            "partition:p3s07,p3s08|new-york,p3@1s",
            1.0,
            {"kind": "partition", "nodes": ["p3s07", "p3s08"], "to": ["new-york", "plane:p3"]},
        ),
        ("end:fabric,broker@20s", 20.0, {"kind": "end", "parts": ["fabric", "broker"]}),
        ("dark:random:2:satellites@1s", 1.0, {"kind": "dark", "nodes": ["random:2:satellites"]}),
        (
            "latency:region:europe,circle:51.5,-0.1,800km,p3s07-p3s08:20ms@1s",
            1.0,
            {
                "kind": "latency",
                "nodes": ["region:europe", "circle:51.5,-0.1,800km"],
                "links": ["p3s07-p3s08"],
                "extra_s": 0.02,
            },
        ),
    ],
)  # fmt: skip
def test_a_word_is_the_fault_that_it_says(word: str, at_s: float, entry: dict[str, Any]) -> None:
    assert parse_fault(word, NAMES) == Timed(at_s, entry)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("kill:p3s07", "expected KIND:TARGET[:VALUE]@TIME"),
        ("kill@2s", "expected KIND:TARGET"),
        ("", "expected KIND:TARGET"),
        ("explode:p3s07@2s", "the kinds are latency, rate, loss"),
        ("kil:p3s07@2s", "did you mean 'kill'?"),
        ("latency:p3s07@2s", "latency needs a value, as in latency:TARGET:200ms@20s"),
        ("latency:p3s07:1s,2s@2s", "latency needs a value"),
        ("kill:p3s07@2s+5s", "is done at once and does not last"),
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
    assert str(refused.value).startswith(f"--fault {word!r}: "), "which of several words it was"
    assert refused.value.status == USAGE
