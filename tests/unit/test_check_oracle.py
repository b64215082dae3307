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

from .histories import BANK_OPTIONS, INITIAL, drawn, orderable, simulated

HISTORIES = 2000


def answer(model: str, operations: list[Operation]) -> str:
    """What `check` says of linearizability."""
    return check(operations, model, options=BANK_OPTIONS).checks[0].verdict


@pytest.mark.parametrize("model", sorted(MODELS))
def test_every_answer_is_that_of_trying_all_orders(model: str) -> None:
    random = Random(6)
    bad = 0
    for number in range(HISTORIES):
        operations = drawn(model, random)
        expected = "ok" if orderable(operations, INITIAL[model]) else "bad"
        assert answer(model, operations) == expected, (number, operations)
        bad += expected == "bad"
    assert 0.1 * HISTORIES < bad < 0.9 * HISTORIES


@settings(max_examples=150, deadline=None)
@given(model=st.sampled_from(sorted(MODELS)), seed=st.integers(0, 2**32), most=st.integers(1, 8))
def test_shrunk_histories_have_the_answer_of_all_orders(model: str, seed: int, most: int) -> None:
    operations = drawn(model, Random(seed), most)
    assert answer(model, operations) == ("ok" if orderable(operations, INITIAL[model]) else "bad")


@pytest.mark.parametrize("model", sorted(MODELS))
def test_shortcuts_agree_with_the_search(model: str) -> None:
    random = Random(7)
    chosen = MODELS[model]
    initial = chosen.initial(BANK_OPTIONS)
    shortcuts = 0
    for _ in range(300):
        calls = chosen.needed(calls_of(drawn(model, random, most=14), chosen.seen))
        quick = chosen.shortcut(initial, calls)
        if quick is not None:
            shortcuts += 1
            assert quick.answer == search(chosen, initial, calls).answer
    assert shortcuts or model == "bank"


@pytest.mark.parametrize("model", sorted(MODELS))
@pytest.mark.parametrize("values", [0, 4])
def test_a_right_object_is_never_called_wrong(model: str, values: int) -> None:
    for seed in range(4):
        operations = simulated(
            model, Random(seed), 400, clients=6, keys=3, values=values, unknown=0.02, nodes=("london",)
        )
        report = check(operations, model, options=BANK_OPTIONS)
        assert report.verdict != "bad", str(report)
        assert report.checks[0].verdict == "ok", str(report)
