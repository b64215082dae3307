"""What hardening saves and costs is as its closed forms say, and those are as words of memory do."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
from collections import Counter

import pytest
from scipy.stats import poisson

from skyrack.orchestrator.environment.designs import designs_of
from skyrack.orchestrator.environment.dose import YEAR_S, dose_rad, irregularity, wear
from skyrack.orchestrator.environment.hardening import (
    CODE_BITS,
    DATA_BITS,
    memory_rates,
    pair_rate,
    scrub_bytes_per_s,
    scrub_w,
    words,
)
from skyrack.orchestrator.environment.outcomes import exposed, streams_of
from skyrack.orchestrator.scenario import Scenario, load_scenario
from skyrack.orchestrator.scenario.model.hardening import Design, Hardening
from skyrack.orchestrator.scenario.model.radiation import Radiation
from skyrack.orchestrator.topology.atlas import atlas_of
from skyrack.orchestrator.topology.geometry import Geometry

DAY_S = 86_400.0


def rates(radiation: Radiation, **design: object) -> dict[str, float]:
    """Per day, by stream."""
    upsets, streams = streams_of(radiation, Design.model_validate(design))
    return {stream.name: stream.per_s * DAY_S for stream in (upsets, *streams)}


# Error correction


def test_a_code_corrects_what_hits_one_bit_and_costs_an_eighth_more_memory() -> None:
    upsets_per_s = 1.0
    secded, none = (
        memory_rates(Design.model_validate({"ecc": ecc}), upsets_per_s) for ecc in ("secded", "none")
    )
    assert secded.corrected == pytest.approx(0.986 * 1.125)  # Alsat-1: 98.6 % single-bit
    assert CODE_BITS / DATA_BITS == 0.125
    assert none.corrected == none.pairs == 0.0
    matter = (none.flips + none.crashes) / (secded.flips + secded.crashes)
    assert matter == pytest.approx(1.0 / (0.014 * 1.125))  # 63 times as many


def test_with_a_code_errors_end_programs_and_without_they_change_results() -> None:
    secded, none = rates(Radiation(), ecc="secded"), rates(Radiation(), ecc="none")
    assert secded["crash"] > 5 * secded["flip"]
    assert none["flip"] > 3 * none["crash"]


def test_two_bits_in_a_word_meet_between_scrubs_as_often_as_in_simulated_words() -> None:
    """Words are hit at random; after each period those hit twice are counted and all are cleared."""
    draw = random.Random(7)
    count, upsets_per_s, period_s, periods = 20_000, 0.5, 400.0, 400
    met = 0
    for _ in range(periods):
        hits: Counter[int] = Counter()
        t_s = draw.expovariate(upsets_per_s)
        while t_s < period_s:
            hits[draw.randrange(count)] += 1
            t_s += draw.expovariate(upsets_per_s)
        met += sum(number > 1 for number in hits.values())
    mean = pair_rate(upsets_per_s, count, period_s) * period_s * periods
    assert mean == pytest.approx(400.0)
    assert 2.0 * min(poisson.cdf(met, mean), poisson.sf(met - 1, mean)) > 1e-3, (met, mean)


def test_scrubbing_twice_as_often_halves_pairs_and_costs_twice_the_reading() -> None:
    slow, fast = (Design.model_validate({"scrub_period_s": period_s}) for period_s in (DAY_S, DAY_S / 2))
    assert memory_rates(slow, 2.0).pairs == pytest.approx(2 * memory_rates(fast, 2.0).pairs)
    assert scrub_bytes_per_s(fast) == pytest.approx(2 * scrub_bytes_per_s(slow))
    assert scrub_bytes_per_s(slow) == pytest.approx(64 * 2**30 * 1.125 / DAY_S)  # 0.9 MB/s
    assert scrub_w(slow) < 1e-3
    assert scrub_bytes_per_s(Design.model_validate({"ecc": "none"})) == 0.0


def test_pairs_matter_at_the_highest_published_rate_only() -> None:
    """parameters.md: 55 to 222,000 upsets a day in 64 GiB."""
    low, high = (memory_rates(Design(), per_day / DAY_S) for per_day in (55.0, 222_000.0))
    assert low.pairs * DAY_S < 1e-7
    assert 0.1 < high.pairs * DAY_S < 1.0
    assert words(Design()) == 2**33


def test_pairs_grow_with_the_square_of_a_storm() -> None:
    _, streams = streams_of(Radiation(), Design())
    assert {stream.name: stream.power for stream in streams if stream.power != 1} == {"pair": 2, "wear": 0}


def test_rates_that_are_given_are_those_of_the_reference_computer() -> None:
    radiation = Radiation.model_validate(
        {"rates": {"flip_per_day": 1.0, "crash_per_day": 2.0, "sefi_per_day": 3.0}}
    )
    here = rates(radiation)
    assert (here["flip"], here["crash"], here["sefi"]) == pytest.approx((1.0, 2.0, 3.0))
    none = rates(radiation, ecc="none")
    assert none["flip"] > 100.0
    half = rates(radiation, memory_gib=32, shielding_ratio=0.5)
    assert (half["flip"], half["crash"], half["sefi"]) == pytest.approx((0.25, 0.5, 1.5))


# Dose


def test_a_dose_grows_by_150_rad_a_year_and_faster_in_a_storm() -> None:
    design = Design.model_validate({"dose_rad": 100.0})
    assert dose_rad(design, YEAR_S) == pytest.approx(250.0)
    assert dose_rad(design, YEAR_S, [(0.0, DAY_S, 100.0)]) == pytest.approx(250.0 + 150.0 * 99 / 365.25)
    assert dose_rad(design, 10.0, [(20.0, 30.0, 100.0)]) == dose_rad(design, 10.0)
    shielded = Design.model_validate({"shielding_ratio": 0.5})
    assert dose_rad(shielded, YEAR_S) == pytest.approx(75.0)


def test_memory_gets_worse_from_2_krad_on_and_nothing_is_worn_out_before_15() -> None:
    """TPU v6e: memory irregular from 2 krad, no hard failure to 15 krad."""
    design = Design()
    assert [irregularity(design, rad) for rad in (0.0, 2_000.0, 4_000.0)] == [1.0, 1.0, 2.0]
    assert [wear(design, rad) for rad in (0.0, 15_000.0, 30_000.0)] == [0.0, 0.0, 1.0]


def test_an_old_satellite_flips_more_and_may_be_worn_out() -> None:
    (new, old) = (
        exposed(0, "a", Radiation(), Design.model_validate({"dose_rad": rad}), 0.0) for rad in (0.0, 20_000.0)
    )
    growth = [
        {stream.name: stream.growth(one.design, (), 0.0) for stream in one.streams} for one in (new, old)
    ]
    assert (growth[0]["flip"], growth[0]["wear"]) == (1.0, 0.0)
    assert (growth[1]["flip"], growth[1]["wear"]) == pytest.approx((10.0, 1.0 / 3.0))


# Designs


def test_a_design_says_what_differs_and_holds_for_whom_it_names() -> None:
    hardening = Hardening.model_validate(
        {
            "memory_gib": 128,
            "designs": [
                {"nodes": ["plane:p0"], "ecc": "none"},
                {"nodes": ["p0s03", "random:5:satellites"], "scrub_period_s": 60},
            ],
        }
    )
    atlas = atlas_of(Geometry(load_scenario("iridium")))
    found = designs_of(hardening, atlas, seed=1)
    assert {found[node].ecc for node in atlas.plane("p0")} == {"none", "secded"}
    assert found[atlas.node("p0s03")].ecc == "secded"
    assert {design.memory_gib for design in found.values()} == {128.0}
    assert sum(design.scrub_period_s == 60 for design in found.values()) in (5, 6)
    assert found == designs_of(hardening, atlas, seed=1)


def test_a_scenario_that_was_resolved_has_the_same_designs(tmp_path: object) -> None:
    text = {
        "version": 1,
        "name": "a",
        "shells": [],
        "hardening": {"ecc": "none", "designs": [{"nodes": ["a"]}]},
    }
    hardening = Hardening.model_validate(text["hardening"])
    again = Hardening.model_validate(json.loads(hardening.model_dump_json()))
    assert again == hardening
    assert again.designs[0].ecc == "none"
    assert math.isclose(again.designs[0].memory_gib, 64.0)
    assert Scenario.model_fields["hardening"].default is None


@pytest.mark.parametrize("module", ["environment.designs", "lifecycle.batches"])
def test_what_checks_of_scenarios_ask_may_be_imported_before_scenarios(module: str) -> None:
    """It has the models of scenarios, whose checks ask it: a file of tests, or a script, may begin with either."""
    command = [sys.executable, "-c", f"import skyrack.orchestrator.{module}"]
    assert subprocess.run(command, check=False, capture_output=True).stderr == b""
