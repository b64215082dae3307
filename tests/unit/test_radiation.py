"""Radiation's outcomes come as often as their rates say, where and when they say, and nothing else changes what was drawn."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binomtest, kstest, poisson

from skyrack.orchestrator.environment.outcomes import KIND_OUTCOMES, OUTCOMES, Exposed, exposed
from skyrack.orchestrator.environment.passes import Passes, PassSource, anomaly_dwell, dwell_ratio
from skyrack.orchestrator.environment.radiation import RadiationSource
from skyrack.orchestrator.environment.region import Region
from skyrack.orchestrator.environment.spells import Spell, Spells
from skyrack.orchestrator.environment.truth import truth_at
from skyrack.orchestrator.environment.upsets import quantile
from skyrack.orchestrator.faults.kinds import KINDS
from skyrack.orchestrator.faults.occurrence import Occurrence
from skyrack.orchestrator.scenario import load_scenario
from skyrack.orchestrator.scenario.model.environment import ANOMALY
from skyrack.orchestrator.scenario.model.hardening import Design
from skyrack.orchestrator.scenario.model.radiation import Radiation
from skyrack.orchestrator.topology.geometry import Geometry
from skyrack.orchestrator.topology.sources import sources_of

DAY_S = 86_400.0
ORBIT_S = 6_000.0
# One test in so many would fail if the seeds were others; with these they do not.
CHANCE = 1e-4


class Regular:
    """Over the anomaly for the first `dwell` of every orbit."""

    def __init__(self, dwell: float) -> None:
        self.dwell = dwell

    def of(self, node: int, first_t_s: float, last_t_s: float) -> list[tuple[float, float]]:
        numbers = range(int(first_t_s // ORBIT_S), int(last_t_s // ORBIT_S) + 1) if self.dwell else ()
        stays = [(n * ORBIT_S, (n + self.dwell) * ORBIT_S) for n in numbers]
        return [stay for stay in stays if stay[1] > first_t_s and stay[0] < last_t_s]

    def inside(self, node: int, t_s: float) -> bool:
        return t_s % ORBIT_S < self.dwell * ORBIT_S

    def insides(self, node: int, t_s: NDArray[np.float64]) -> NDArray[np.bool_]:
        return np.asarray(t_s % ORBIT_S < self.dwell * ORBIT_S)


def satellites(
    count: int, radiation: Radiation, dwell: float = 0.0, design: Design | None = None
) -> list[Exposed]:
    return [exposed(node, f"p0s{node:02}", radiation, design or Design(), dwell) for node in range(count)]


def source(
    radiation: Radiation,
    *,
    count: int = 20,
    dwell: float = 0.0,
    spells: Sequence[Spell] = (),
    seed: int = 1,
    design: Design | None = None,
) -> RadiationSource:
    nodes = satellites(count, radiation, dwell, design)
    return RadiationSource(nodes, Regular(dwell), lambda: Spells(spells), seed)


def storm(factor: float, first_t_s: float, last_t_s: float, count: int = 20) -> Spell:
    return Spell(first_t_s, last_t_s, dict.fromkeys(range(count), factor))


def outcomes(found: Sequence[Occurrence]) -> Counter[str]:
    return Counter(KIND_OUTCOMES[one.entry["kind"]] for one in found)


def is_by_chance(count: int, mean: float) -> bool:
    """Two-sided, exact: twice the smaller tail of the Poisson distribution."""
    return 2.0 * min(poisson.cdf(count, mean), poisson.sf(count - 1, mean)) > CHANCE


# How often


@pytest.mark.parametrize(("preset", "reboots_per_day"), [("benign", 0.02), ("nominal", 0.2), ("harsh", 2.0)])
def test_presets_reboot_as_often_as_they_are_meant_to(preset: str, reboots_per_day: float) -> None:
    one = source(Radiation.model_validate({"preset": preset}), dwell=0.087)
    span_s = 50 * ORBIT_S
    assert one.expected(0.0, span_s)["sefi"] == pytest.approx(20 * reboots_per_day * span_s / DAY_S)
    assert is_by_chance(outcomes(one.between(0.0, span_s))["sefi"], one.expected(0.0, span_s)["sefi"])


@pytest.mark.parametrize("seed", range(2))
def test_every_outcome_comes_as_often_as_the_integral_of_its_rate(seed: int) -> None:
    rates = {
        "flip_per_day": 3,
        "crash_per_day": 5,
        "hang_per_day": 2,
        "ssd_per_year": 900,
        "permanent_per_year": 500,
    }
    radiation = Radiation.model_validate({"preset": "harsh", "rates": rates})
    spells = [storm(30.0, 3 * DAY_S, 3.5 * DAY_S), storm(3.0, 3.2 * DAY_S, 4 * DAY_S)]
    one = source(radiation, dwell=0.1, spells=spells, seed=seed)
    found, expected = outcomes(one.between(0.0, 5 * DAY_S)), one.expected(0.0, 5 * DAY_S)
    for outcome in OUTCOMES:
        assert is_by_chance(found[outcome], expected[outcome]), outcome
    calm = 20 * 5 * rates["hang_per_day"]
    assert expected["hang"] == pytest.approx(
        calm + 20 * 2 * (0.2 * 29 + 0.3 * 89 + 0.5 * 2), rel=0.05
    )  # orbits cut


def test_a_share_of_all_events_comes_over_the_anomaly() -> None:
    radiation = Radiation.model_validate({"preset": "harsh", "anomaly_share": 0.8})
    one = source(radiation, dwell=0.087)
    found = one.between(0.0, 100 * ORBIT_S)
    inside = sum(Regular(0.087).inside(0, event.t_s) for event in found)
    assert binomtest(inside, len(found), 0.8).pvalue > CHANCE
    nodes = satellites(1, radiation, 0.087)
    assert nodes[0].inside / nodes[0].outside == pytest.approx(
        42.0, rel=0.01
    )  # parameters.md: s = 80 % gives m = 42
    half = satellites(1, Radiation(), 0.087)
    assert half[0].inside / half[0].outside == pytest.approx(10.5, rel=0.01)


def test_where_the_anomaly_is_never_reached_its_share_does_not_come() -> None:
    radiation = Radiation.model_validate({"preset": "harsh"})
    expected = source(radiation).expected(0.0, DAY_S)
    assert expected["sefi"] == pytest.approx(20 * 2.0 * 0.5)


def test_a_share_below_the_dwell_leaves_no_difference() -> None:
    (one,) = satellites(1, Radiation.model_validate({"anomaly_share": 0.0}), 0.087)
    assert one.inside == one.outside == 1.0


def test_a_storm_multiplies_what_comes_and_two_multiply_each_other() -> None:
    radiation = Radiation.model_validate({"preset": "harsh"})
    calm = source(radiation).expected(0.0, DAY_S)
    both = source(radiation, spells=[storm(10.0, 0.0, DAY_S), storm(5.0, 0.0, DAY_S)])
    expected = both.expected(0.0, DAY_S)
    assert expected["sefi"] == pytest.approx(50 * calm["sefi"])
    assert is_by_chance(outcomes(both.between(0.0, DAY_S))["sefi"], 50 * calm["sefi"])


def test_waiting_times_of_a_node_are_exponential() -> None:
    radiation = Radiation.model_validate({"anomaly_share": 0.0, "rates": {"sefi_per_day": 50.0}})
    found = [e.t_s for e in source(radiation, count=1).between(0.0, 40 * DAY_S) if e.entry["kind"] == "sefi"]
    gaps = [b - a for a, b in pairwise(found)]
    assert kstest(gaps, "expon", args=(0.0, DAY_S / 50.0)).pvalue > CHANCE


def test_reboots_last_one_to_five_minutes_alike() -> None:
    radiation = Radiation.model_validate({"preset": "harsh"})
    found = source(radiation, spells=[storm(100.0, 0.0, DAY_S)]).between(0.0, DAY_S)
    lasts_s = [event.for_t_s or 0.0 for event in found if event.entry["kind"] == "sefi"]
    assert kstest(lasts_s, "uniform", args=(60.0, 240.0)).pvalue > CHANCE


# What does not change what was drawn

CUTS = st.lists(st.floats(0.0, 2 * DAY_S, allow_nan=False), max_size=8)


@settings(max_examples=25, deadline=None)
@given(cuts=CUTS)
def test_how_time_is_cut_changes_nothing(cuts: list[float]) -> None:
    radiation = Radiation.model_validate({"preset": "harsh"})
    one = source(radiation, count=5, dwell=0.1, spells=[storm(20.0, DAY_S / 2, DAY_S)])
    edges = [0.0, *sorted(cuts), 2 * DAY_S]
    parts = [event for a, b in pairwise(edges) for event in one.between(a, b)]
    assert parts == one.between(0.0, 2 * DAY_S)


def test_other_satellites_change_nothing() -> None:
    radiation = Radiation.model_validate({"preset": "harsh"})
    many = source(radiation, count=20).between(0.0, 5 * DAY_S)
    few = source(radiation, count=3).between(0.0, 5 * DAY_S)
    assert [event for event in many if event.entry["nodes"][0] in ("p0s00", "p0s01", "p0s02")] == few


def test_a_storm_adds_and_takes_nothing_away() -> None:
    radiation = Radiation.model_validate({"preset": "harsh"})
    calm = source(radiation, dwell=0.1).between(0.0, DAY_S)
    stormy = source(radiation, dwell=0.1, spells=[storm(7.0, 0.0, DAY_S)]).between(0.0, DAY_S)
    assert len(stormy) > 3 * len(calm)
    assert all(event in stormy for event in calm)


def test_a_storm_that_nobody_knew_of_gives_what_it_would_have_given_beforehand() -> None:
    radiation = Radiation.model_validate({"preset": "harsh"})
    known: list[Spell] = []
    live = RadiationSource(satellites(20, radiation), Regular(0.0), lambda: Spells(known), 1)
    before = live.between(0.0, 3_000.0)
    known.append(storm(50.0, 3_000.0, 9_000.0))
    after = live.between(3_000.0, 20_000.0)
    assert before + after == source(radiation, spells=known).between(0.0, 20_000.0)


def test_a_seed_gives_the_same_again_and_another_seed_something_else() -> None:
    radiation = Radiation.model_validate({"preset": "harsh"})
    first, again, other = (source(radiation, seed=seed).between(0.0, DAY_S) for seed in (1, 1, 2))
    assert first == again != other


@settings(max_examples=25, deadline=None)
@given(first_t_s=st.floats(0.0, DAY_S), span_s=st.floats(0.0, 4 * DAY_S))
def test_what_a_jump_leaves_out_is_as_many_as_would_have_come(first_t_s: float, span_s: float) -> None:
    radiation = Radiation.model_validate({"preset": "harsh"})
    worn = Design(dose_rad=40_000.0, wear_per_year=50.0)
    one = source(radiation, count=5, dwell=0.1, spells=[storm(20.0, DAY_S, 1.5 * DAY_S)], design=worn)
    found = one.between(first_t_s, first_t_s + span_s)
    assert one.count(first_t_s, first_t_s + span_s) == Counter(event.entry["kind"] for event in found)


# What it is


def test_every_outcome_is_a_kind_of_fault_that_there_is() -> None:
    assert set(KIND_OUTCOMES) <= set(KINDS)
    assert set(KIND_OUTCOMES.values()) == set(OUTCOMES)


def test_without_the_section_nothing_comes() -> None:
    geometry = Geometry(load_scenario("iridium"))
    assert geometry.scenario.radiation is None
    assert sources_of(geometry, Passes(geometry)) == []


# Over the anomaly


@pytest.mark.parametrize(("inclination_deg", "percent"), [(53.0, 8.7), (43.0, 13.6), (97.6, 6.2), (5.0, 0.0)])
def test_the_share_of_time_over_the_anomaly_is_as_published(inclination_deg: float, percent: float) -> None:
    """parameters.md section 6, computed for this box."""
    assert 100.0 * dwell_ratio(Region(ANOMALY), math.radians(inclination_deg)) == pytest.approx(
        percent, abs=0.15
    )


def test_stays_over_the_anomaly_are_where_the_truth_says_and_whole_however_they_are_asked_for() -> None:
    geometry = Geometry(load_scenario("iridium"))
    passes = Passes(geometry)
    stays = PassSource(passes, range(6), geometry.names)
    found = stays.between(0.0, 50_000.0)
    parts = [one for first in range(0, 50_000, 1_000) for one in stays.between(float(first), first + 1_000.0)]
    assert parts == found
    assert max(one.for_t_s or 0.0 for one in found) < 700.0
    for t_s in range(0, 43_200, 3_607):
        inside = truth_at(geometry, float(t_s)).in_anomaly[:6].tolist()
        assert [passes.inside(node, float(t_s)) for node in range(6)] == inside
        under_way = {one.entry["nodes"][0] for one in stays.under_way(float(t_s))}
        assert under_way == {geometry.names[node] for node in range(6) if inside[node]} - (
            {one.entry["nodes"][0] for one in found if one.t_s == t_s}
        )
    dwell = sum(one.for_t_s or 0.0 for one in stays.between(0.0, 4 * DAY_S)) / (6 * 4 * DAY_S)
    assert dwell == pytest.approx(anomaly_dwell(geometry)[0], rel=0.15)


@pytest.mark.parametrize("anomaly", [None, [(-50, 160), (-50, -170), (10, -150), (5, 140)]])
@pytest.mark.parametrize(
    ("first_t_s", "last_t_s"), [(0.0, 3 * DAY_S), (1e6, 1e6 + 50_000.0), (43_200.0, 43_200.5)]
)
def test_stays_are_counted_without_being_worked_out(
    anomaly: list[tuple[float, float]] | None, first_t_s: float, last_t_s: float
) -> None:
    plain = load_scenario("iridium")
    environment = plain.environment.model_copy(update={"anomaly": anomaly or plain.environment.anomaly})
    geometry = Geometry(plain.model_copy(update={"environment": environment}))
    stays = PassSource(Passes(geometry), range(3), geometry.names)
    begun = Counter(one.entry["kind"] for one in stays.between(first_t_s, last_t_s))
    assert stays.count(first_t_s, last_t_s) == begun
    counting = Passes(geometry)
    assert begun.total() < 20 or counting.count(0, first_t_s, last_t_s)
    worked_out = len(counting._known)
    assert worked_out <= 6, "those at the ends alone"


# Corrected upsets


@pytest.mark.parametrize("mean", [0.05, 3.0, 150.0, 250.0, 40_000.0])
def test_numbers_of_upsets_are_poisson_numbers(mean: float) -> None:
    chances = [(i + 0.5) / 500 for i in range(500)]
    wrong = [abs(quantile(mean, chance) - int(poisson.ppf(chance, mean))) for chance in chances]
    assert max(wrong) <= (0 if mean < 200.0 else 1)
