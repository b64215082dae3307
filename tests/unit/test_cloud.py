"""Clouds: each site clear as often as it says, neighbours alike, and nine sites where seven would do if they were not."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtri

from skyrack.orchestrator.environment.cloud import Clouds, correlation

DAY_S = 86400.0
CORRELATION_S = 3 * 3600.0
CLEAR = 0.65


def _clouds(itrf_km: NDArray[np.float64], correlation_km: float) -> Clouds:
    subjects = [f"1, weather, site{i}, cloud" for i in range(len(itrf_km))]
    return Clouds(subjects, itrf_km, np.full(len(itrf_km), CLEAR), correlation_km, CORRELATION_S)


def _grid(side: int, spacing_km: float) -> NDArray[np.float64]:
    return np.array(
        [[i * spacing_km, j * spacing_km, 0.0] for i, j in itertools.product(range(side), repeat=2)]
    )


def test_a_site_is_clear_for_its_share_of_the_time() -> None:
    blocked = _clouds(_grid(2, 600.0), 300.0).blocked_series(np.arange(0.0, 4000 * DAY_S, 600.0))
    assert blocked.mean(axis=1) == pytest.approx([1.0 - CLEAR] * 4, abs=0.02)


def test_sites_are_clouded_together_as_their_distance_says() -> None:
    """Correlation r of the Gaussians shows in the sign: P(both below the median) = 1/4 + asin(r) / 2 pi (Sheppard 1899)."""
    itrf_km = np.array([[0.0, 0, 0], [100, 0, 0], [300, 0, 0], [1200, 0, 0]])
    subjects = [f"2, weather, s{i}, cloud" for i in range(4)]
    clouds = Clouds(subjects, itrf_km, np.full(4, 0.5), 300.0, CORRELATION_S)
    blocked = clouds.blocked_series(np.arange(0.0, 4000 * DAY_S, 1800.0))
    for other in (1, 2, 3):
        r = math.exp(-itrf_km[other, 0] / 300.0)
        both = float((blocked[0] & blocked[other]).mean())
        assert both == pytest.approx(0.25 + math.asin(r) / (2.0 * math.pi), abs=0.015)


def _shares_with_a_clear_site(correlation_km: float) -> list[float]:
    """Of 2,000,000 skies over the square, the share that leaves one of the first n sites clear; n = 1 to 9."""
    draws = np.random.default_rng(1).standard_normal((9, 2_000_000))
    blocked = np.linalg.cholesky(correlation(_grid(3, 600.0), correlation_km)) @ draws < ndtri(1.0 - CLEAR)
    return [float(1.0 - blocked[:n].all(axis=0).mean()) for n in range(1, 10)]


def test_seven_independent_sites_reach_three_nines_and_correlated_ones_need_nine() -> None:
    """Nine sites in a square 600 km apart, D = 300 km: eight fall short of 99.9 %, nine do not."""
    apart, together = _shares_with_a_clear_site(1e-3), _shares_with_a_clear_site(300.0)
    assert apart[5] < 0.999 <= apart[6]
    assert together[7] < 0.999 <= together[8]


def test_a_station_added_leaves_the_clouds_of_the_others() -> None:
    grid = _grid(3, 600.0)
    t_s = np.arange(0.0, 30 * DAY_S, 600.0)
    assert (
        _clouds(grid, 300.0).blocked_series(t_s)[:8] == _clouds(grid[:8], 300.0).blocked_series(t_s)
    ).all()


def test_an_instant_and_a_series_agree() -> None:
    t_s = np.arange(0.0, 5 * DAY_S, 7777.0)
    series = _clouds(_grid(2, 600.0), 300.0).blocked_series(t_s)
    for i in reversed(range(len(t_s))):
        assert (_clouds(_grid(2, 600.0), 300.0).blocked(float(t_s[i])) == series[:, i]).all()


def test_two_stations_at_one_place_have_one_sky() -> None:
    same = np.zeros((2, 3))
    blocked = _clouds(same, 300.0).blocked_series(np.arange(0.0, 300 * DAY_S, 600.0))
    assert (blocked[0] == blocked[1]).mean() > 0.999
