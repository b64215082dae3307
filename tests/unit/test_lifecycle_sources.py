"""Manoeuvres and ends of life come at the rates that are published, and are the same however somebody asks."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from skyrack.orchestrator.lifecycle.ageing import YEAR_S, EndOfLife, life_years, scale_years
from skyrack.orchestrator.lifecycle.manoeuvres import Avoidance
from skyrack.orchestrator.scenario.model.lifecycle import Ageing, Manoeuvres

DAY_S = 86_400.0
NAMES = [f"p0s{slot:03d}" for slot in range(500)]


def test_satellites_manoeuvre_as_often_as_published_and_for_as_long() -> None:
    source = Avoidance(Manoeuvres(), NAMES, 1, lambda node, t_s: True)
    found = source.between(0.0, 100 * DAY_S)
    assert len(found) == pytest.approx(0.1 * 500 * 100, rel=4 / np.sqrt(5000))
    assert all(30.0 <= (one.for_t_s or 0.0) <= 120.0 for one in found)
    assert max(Counter(one.entry["nodes"][0] for one in found).values()) < 35
    cut = [one for k in range(1000) for one in source.between(k * 8640.0, (k + 1) * 8640.0)]
    assert cut == found


def test_who_is_not_in_service_does_not_manoeuvre_and_nobody_else_does_for_it() -> None:
    everybody = Avoidance(Manoeuvres(), NAMES, 1, lambda node, t_s: True).between(0.0, DAY_S)
    some = Avoidance(Manoeuvres(), NAMES, 1, lambda node, t_s: node < 250).between(0.0, DAY_S)
    assert some == [one for one in everybody if int(one.entry["nodes"][0][-3:]) < 250]


def test_lives_have_the_mean_that_was_asked_for_and_old_satellites_live_on() -> None:
    draws = np.random.default_rng(1).exponential(size=20_000)
    lives = [life_years(0.0, float(e), 5.0, 3.0) for e in draws]
    assert np.mean(lives) == pytest.approx(5.0, abs=0.05)
    assert all(life_years(4.0, float(e), 5.0, 3.0) > 4.0 for e in draws[:1000])
    assert np.mean(np.array(lives) > scale_years(5.0, 3.0)) == pytest.approx(np.exp(-1.0), abs=0.01)


def test_a_fleet_loses_12_percent_in_a_year_and_a_tenth_of_them_fail() -> None:
    names = [f"s{number}" for number in range(5000)]
    source = EndOfLife(Ageing(), names, lambda: np.full(5000, -np.inf), 1)
    ended = source.between(0.0, YEAR_S)
    assert 0.05 < len(ended) / 5000 < 0.13, "parameters.md, section 7 (C)"
    ages, scale = np.linspace(0.0, 4.0, 1001), scale_years(5.0, 3.0)
    expected = np.mean(
        1.0 - np.exp((ages / scale) ** 3 - ((ages + 1.0) / scale) ** 3)
    )  # of those who are that old
    assert expected == pytest.approx(0.118, abs=0.0005)
    assert len(ended) / 5000 == pytest.approx(expected, abs=0.012)
    assert source.between(-1e12, 0.0) == [], "who is there at the start has lived until then"
    kinds = Counter(one.entry["kind"] for one in ended)
    assert kinds["lost"] / len(ended) == pytest.approx(0.1, abs=0.06)
    assert kinds.keys() == {"lost", "retire"}
    assert source.between(0.0, 0.4 * YEAR_S) + source.between(0.4 * YEAR_S, YEAR_S) == ended


def test_one_that_is_launched_is_new_and_one_that_never_is_does_not_end() -> None:
    since_s = np.array([-np.inf, 10.0 * YEAR_S, np.inf])
    source = EndOfLife(Ageing(), ["a", "b", "c"], lambda: since_s, 1)
    ends = {one.entry["nodes"][0]: one.t_s for one in source.between(-1e12, 1e12)}
    assert set(ends) == {"a", "b"}
    assert ends["b"] > 10.0 * YEAR_S
