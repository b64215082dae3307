"""The checker's answer is that of the definition: thousands of small histories against every order there is."""

import math
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyrack.check import check
from skyrack.check.call import calls_of
from skyrack.check.models import MODELS
from skyrack.check.search import search
from skyrack.history import Operation

from .histories import INITIAL, OPTIONS, drawn, orderable, simulated

HISTORIES = 1000


OBJECTS = [*sorted(MODELS.keys() - {"echo"}), "rich bank"]


def answer(kind: str, operations: list[Operation]) -> str:
    """What `check` says of linearizability."""
    return check(operations, kind.split()[-1], options=OPTIONS.get(kind)).checks[0].verdict


@pytest.mark.parametrize("kind", OBJECTS)
def test_every_answer_is_that_of_trying_all_orders(kind: str) -> None:
    random = Random(6)
    bad = 0
    for number in range(HISTORIES):
        operations = drawn(kind, random)
        expected = "ok" if orderable(operations, INITIAL[kind]) else "bad"
        assert answer(kind, operations) == expected, (number, operations)
        bad += expected == "bad"
    assert 0.1 * HISTORIES < bad < 0.9 * HISTORIES


def until(operations: list[Operation], index: int, *, ended: bool) -> list[Operation]:
    """What had been seen just before operation `index` ended, or when it had."""
    end_s = next(one.completed_s for one in operations if one.index == index)
    seen = [one for one in operations if one.invoked_s <= end_s]
    return [
        one
        if one.outcome != "ok" or one.completed_s < end_s or (ended and one.completed_s == end_s)
        else replace(one, outcome="unknown", completed_s=math.inf)
        for one in seen
    ]


@pytest.mark.parametrize("kind", OBJECTS)
def test_what_is_told_of_a_violation_is_so(kind: str) -> None:
    random = Random(8)
    judged = 0
    for _ in range(400):
        operations = drawn(kind, random)
        found = check(operations, kind.split()[-1], options=OPTIONS.get(kind)).checks[0]
        for told in found.figures.get("violations", ()):
            of_key = [one for one in operations if told["key"] in ("", one.key)]
            last = told["operation"]
            end_s = operations[last].completed_s
            if sum(one.completed_s == end_s for one in of_key) > 1:
                continue  # what is too much is one of those that ended together
            judged += 1
            assert orderable(until(of_key, last, ended=False), INITIAL[kind])
            assert not orderable(until(of_key, last, ended=True), INITIAL[kind])
            for answer in told["allowed"]:
                other = [replace(one, result=answer) if one.index == last else one for one in of_key]
                assert orderable(until(other, last, ended=True), INITIAL[kind]), (operations, told)
    assert judged > 25


@settings(max_examples=150, deadline=None)
@given(kind=st.sampled_from(OBJECTS), seed=st.integers(0, 2**32), most=st.integers(1, 8))
def test_shrunk_histories_have_the_answer_of_all_orders(kind: str, seed: int, most: int) -> None:
    operations = drawn(kind, Random(seed), most)
    assert answer(kind, operations) == ("ok" if orderable(operations, INITIAL[kind]) else "bad")


@pytest.mark.parametrize("kind", OBJECTS)
def test_shortcuts_agree_with_the_search(kind: str) -> None:
    random = Random(7)
    chosen = MODELS[kind.split()[-1]]
    initial = chosen.initial(OPTIONS.get(kind, {}))
    shortcuts = 0
    for _ in range(300):
        calls = chosen.needed(calls_of(drawn(kind, random, most=14), chosen.seen))
        quick = chosen.shortcut(initial, calls)
        if quick is not None:
            shortcuts += 1
            assert quick.answer == search(chosen, initial, calls).answer
    assert shortcuts or chosen.name == "bank"


@pytest.mark.parametrize("kind", OBJECTS)
@pytest.mark.parametrize("values", [0, 4])
def test_a_right_object_is_never_called_wrong(kind: str, values: int) -> None:
    for seed in range(4):
        operations = simulated(
            kind,
            Random(seed),
            400,
            clients=6,
            keys=1 if "bank" in kind else 3,
            values=values,
            unknown=0.02,
            nodes=("london",),
        )
        report = check(operations, kind.split()[-1], options=OPTIONS.get(kind))
        assert report.verdict != "bad", str(report)
        assert report.checks[0].verdict == "ok", str(report)
