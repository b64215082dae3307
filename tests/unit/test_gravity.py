"""What cities send each other: more where more people live, less where they are farther apart, the same for one seed."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyrack.orchestrator.environment.gravity import LEAST_KM, MOST_FLOWS, demands
from skyrack.orchestrator.environment.sphere import distance_km
from skyrack.orchestrator.scenario.model.background import Background
from skyrack.orchestrator.scenario.model.ground import GroundStation

PLAIN = Background(rate_bps=1e9, variation=0.0)


def station(name: str, lat_deg: float, lon_deg: float, population: int | None = 1) -> GroundStation:
    return GroundStation(name=name, lat_deg=lat_deg, lon_deg=lon_deg, population=population)


STATIONS = st.lists(
    st.tuples(st.floats(-89, 89), st.floats(-180, 180), st.integers(0, 40_000_000)), min_size=2, max_size=7
).map(lambda places: [station(f"s{i}", *place) for i, place in enumerate(places)])


@given(STATIONS, st.floats(0, 4), st.floats(0, 3), st.integers(0, 99))
@settings(deadline=None)
def test_rates_add_up_to_what_was_asked_for(
    ground: list[GroundStation], exponent: float, variation: float, seed: int
) -> None:
    background = Background(rate_bps=5e9, distance_exponent=exponent, variation=variation)
    found = demands(ground, background, seed)
    some = sum(bool(place.population) for place in ground) >= 2
    assert math.fsum(demand.rate_bps for demand in found) == pytest.approx(5e9 if some else 0.0)
    assert all(demand.rate_bps > 0.0 and demand.src != demand.dst for demand in found)
    assert found == demands(ground, background, seed)


def test_rates_follow_population_and_distance() -> None:
    ground = [station("a", 0, 0, 10), station("b", 0, 10, 20), station("c", 0, -20, 20)]
    rate = {(demand.src, demand.dst): demand.rate_bps for demand in demands(ground, PLAIN, 1)}
    assert rate[0, 1] == pytest.approx(2 * rate[0, 2])  # twice as far
    assert rate[0, 1] == rate[1, 0]
    assert rate[1, 2] == pytest.approx(rate[0, 1] * 2 / 3)  # twice the people, three times as far
    square = PLAIN.model_copy(update={"distance_exponent": 2.0})
    rate = {(demand.src, demand.dst): demand.rate_bps for demand in demands(ground, square, 1)}
    assert rate[0, 1] == pytest.approx(4 * rate[0, 2])


def test_two_stations_of_one_city_do_not_get_everything() -> None:
    ground = [station("a", 0, 0), station("b", 0, 0), station("c", 0, 30)]
    rate = {(demand.src, demand.dst): demand.rate_bps for demand in demands(ground, PLAIN, 1)}
    assert rate[0, 1] / rate[0, 2] == pytest.approx(distance_km(0, 0, 0, 30) / LEAST_KM)


def test_the_seed_and_the_names_draw_how_directions_differ() -> None:
    ground = [station("a", 0, 0), station("b", 0, 10), station("c", 0, 20)]
    varied = Background(rate_bps=1e9)
    one, other = demands(ground, varied, 1), demands(ground, varied, 2)
    assert one != other
    assert len({demand.rate_bps for demand in one}) == 6
    # What a pair sends beside another one is not changed by who is listed before them.
    turned = {
        (2 - demand.src, 2 - demand.dst): demand.rate_bps for demand in demands(ground[::-1], varied, 1)
    }
    assert turned == pytest.approx({(demand.src, demand.dst): demand.rate_bps for demand in one})


def test_of_very_many_pairs_the_strongest_stand_for_all() -> None:
    ground = [station(f"s{i}", 0, i, i + 1) for i in range(60)]
    found = demands(ground, PLAIN, 1)
    assert len(found) == MOST_FLOWS
    assert math.fsum(demand.rate_bps for demand in found) == pytest.approx(1e9)
    assert (found[0].src, found[0].dst) in {(59, 58), (58, 59)}


def test_no_rate_is_no_traffic() -> None:
    assert demands([station("a", 0, 0), station("b", 0, 10)], Background(), 1) == []


def test_a_known_station_brings_its_population_and_may_be_given_another() -> None:
    assert GroundStation.model_validate("tokyo").population == 37_470_000
    assert GroundStation.model_validate({"name": "tokyo", "population": 5}).population == 5


def test_distances_are_those_of_the_globe() -> None:
    assert distance_km(51.51, -0.13, 40.71, -74.01) == pytest.approx(5570, rel=0.005)  # London to New York
    assert distance_km(90, 0, -90, 77) == pytest.approx(math.pi * 6371.0)
