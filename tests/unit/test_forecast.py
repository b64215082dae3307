"""Forecasts are as wrong as the scenario says, and the same whenever they are told."""

from __future__ import annotations

import numpy as np
import pytest

from skyrack.orchestrator.environment.forecast import Forecaster
from skyrack.orchestrator.scenario.model.environment import ForecastError

EXACT = Forecaster(ForecastError(), 1)
WRONG = Forecaster(ForecastError(eclipse_s=60.0, anomaly_s=20.0, contact_s=5.0), 1)


def test_without_an_error_the_truth_is_told() -> None:
    stays = [(-10.0, 5.0), (100.0, 200.0)]
    assert list(EXACT.stays("eclipse", "p0s00", stays, 0.0, 300.0)) == stays


@pytest.mark.parametrize(("sort", "sigma_s"), [("eclipse", 60.0), ("anomaly", 20.0), ("contact", 5.0)])
def test_errors_spread_as_far_as_the_scenario_says_and_have_no_bias(sort: str, sigma_s: float) -> None:
    """Of 2,000 draws the mean is within 4.5 sigma / sqrt(2000) of 0, and the deviation within 8 % of sigma."""
    off_s = [WRONG.instant_s(sort, f"n{i}", 1e4, 0.0) - 1e4 for i in range(2000)]  # type: ignore[arg-type]
    assert abs(np.mean(off_s)) < 0.1 * sigma_s
    assert np.std(off_s) == pytest.approx(sigma_s, rel=0.08)


def test_an_event_is_told_the_same_until_it_has_passed() -> None:
    told = {WRONG.instant_s("eclipse", "p0s00", 1e4, t_s) for t_s in (0.0, 5000.0, 9999.0)}
    assert len(told) == 1
    assert told != {1e4}
    assert WRONG.instant_s("eclipse", "p0s00", 1e4, 1e4) == 1e4, "what has been seen is known"
    other = Forecaster(WRONG.error, 2)
    assert other.instant_s("eclipse", "p0s00", 1e4, 0.0) not in told
    assert WRONG.instant_s("eclipse", "p0s01", 1e4, 0.0) not in told


def test_no_stay_is_told_that_ends_before_it_begins_or_that_is_over() -> None:
    short = [(float(t_s), float(t_s) + 30.0) for t_s in range(1000, 101_000, 1000)]
    told = list(WRONG.stays("eclipse", "p0s00", short, 0.0, 1e9))
    assert 20 < len(told) < 100, "a stay of half a standard deviation is often told away"
    assert all(start_s < end_s for start_s, end_s in told)


def test_an_end_that_is_not_known_is_not_made_up() -> None:
    assert [end_s for _, end_s in WRONG.stays("eclipse", "p0s00", [(-5.0, 900.0)], 0.0, 900.0)] == [900.0]
