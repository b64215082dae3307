"""How likely losses are by chance: a bound that never accuses chance of less than it does."""

from __future__ import annotations

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyrack.orchestrator.measure.chance import tail_bound

RATIOS = st.floats(min_value=0.001, max_value=0.999)


def exact_tail(lost: int, sent: int, p: float) -> float:
    """The binomial probability of at least, or at most, so many losses, on the side of `lost`."""
    side = range(lost, sent + 1) if lost >= p * sent else range(lost + 1)
    return sum(comb(sent, k) * p**k * (1.0 - p) ** (sent - k) for k in side)


@given(st.integers(1, 60), st.data(), RATIOS)
def test_the_bound_is_never_below_the_binomial_tail(sent: int, data: st.DataObject, p: float) -> None:
    lost = data.draw(st.integers(0, sent))
    assert tail_bound(lost, sent, p) >= exact_tail(lost, sent, p) * (1.0 - 1e-9)


def test_what_cannot_be_by_chance_has_no_chance() -> None:
    assert tail_bound(1, 1_000, 0.0) == 0.0
    assert tail_bound(999, 1_000, 1.0) == 0.0


def test_nothing_sent_and_nothing_lost_prove_nothing() -> None:
    assert tail_bound(0, 0, 0.3) == 1.0
    assert tail_bound(0, 50, 0.0) == 1.0
    assert tail_bound(10, 100, 0.1) == pytest.approx(1.0)
