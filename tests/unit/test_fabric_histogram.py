"""The histogram counts every value once, in the bucket Prometheus expects."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyrack.orchestrator.fabric.histogram import LATENESS_BOUNDS_S, Histogram


@given(st.lists(st.tuples(st.floats(-0.1, 5.0), st.integers(1, 50)), max_size=50))
def test_every_value_is_in_the_first_bucket_that_is_not_below_it(values: list[tuple[float, int]]) -> None:
    histogram = Histogram()
    for value, times in values:
        histogram.observe(value, times)
    for i, bound in enumerate(LATENESS_BOUNDS_S):
        assert sum(histogram.counts[: i + 1]) == sum(times for value, times in values if value <= bound)
    assert sum(histogram.counts) == sum(times for _, times in values)
    assert histogram.sum == pytest.approx(sum(value * times for value, times in values))
    assert histogram.max == max([0.0, *(value for value, _ in values)])


def test_bounds_ascend() -> None:
    assert list(LATENESS_BOUNDS_S) == sorted(set(LATENESS_BOUNDS_S))
