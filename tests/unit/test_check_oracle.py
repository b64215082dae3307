"""The checker's answer is that of the definition: thousands of small histories against every order there is."""

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
