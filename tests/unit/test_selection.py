"""Antennas turn to the satellites that the policy says, and to no more than there are antennas."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyrack.orchestrator.scenario import Scenario, load_scenario
from skyrack.orchestrator.topology.epoch import GROUND
from skyrack.orchestrator.topology.geometry import Geometry
from skyrack.orchestrator.topology.selection import SELECTIONS, Candidates

PAIRS = [(station, satellite) for station in range(3) for satellite in range(5)]


@given(
    st.lists(st.sampled_from(PAIRS), unique=True, max_size=15),
    st.lists(st.integers(1, 4), min_size=3, max_size=3),
    st.sampled_from(sorted(SELECTIONS)),
)
def test_every_antenna_is_used_while_there_are_satellites_and_none_twice(
    pairs: list[tuple[int, int]], antennas: list[int], policy: str
) -> None:
    pairs = sorted(pairs)
    station = np.array([pair[0] for pair in pairs], np.int32)
    satellite = np.array([pair[1] for pair in pairs], np.int32)
    elevation = np.array([30.0 + (7 * a + 3 * b) % 11 for a, b in pairs])
    chosen = SELECTIONS[policy](
        Candidates(
            station,
            satellite,
            elevation,
            np.array(antennas),
            lambda: np.asarray(15.0 * (satellite % 3), dtype=np.float64),
        )
    )
    for place in range(3):
        there = int((station == place).sum())
        assert int(chosen[station == place].sum()) == min(there, antennas[place])


def geometry(**links: object) -> Geometry:
    base = load_scenario("starlink-shell1")
    keys = base.model_dump() | {"ground": ["london", "new-york"], "inhabited": {"count": 1}}
    keys["shells"] = [shell.model_dump() for shell in base.shells]
    keys["links"] = {"elevation_mask_deg": 25.0} | links
    return Geometry(Scenario.model_validate(keys, strict=False))


def ground_links(sky: Geometry, t_s: float) -> list[tuple[int, int]]:
    epoch = sky.epoch(t_s)
    return [
        (int(b), int(a)) for a, b, kind in zip(epoch.a, epoch.b, epoch.kind, strict=True) if kind == GROUND
    ]


def test_a_station_with_antennas_takes_the_best_of_those_in_sight() -> None:
    every = geometry()
    for policy in SELECTIONS:
        sky = geometry(antennas=2, selection=policy)
        chosen = ground_links(sky, 20.0)
        assert len(chosen) == 4
        assert set(chosen) <= set(ground_links(every, 20.0))


def test_longest_remaining_takes_one_that_stays_at_least_as_long_as_any_other() -> None:
    every, sky = geometry(), geometry(antennas=1, selection="longest-remaining")
    chosen = ground_links(sky, 13.0)
    for station, satellite in chosen:
        others = [other for place, other in ground_links(every, 13.0) if place == station]

        def stays_s(one: int, station: int = station) -> int:
            steps = range(1, 60)
            return next(k for k in steps if (station, one) not in ground_links(every, 13.0 + 15.0 * k))

        assert stays_s(satellite) == max(stays_s(other) for other in others)


def test_up_and_down_have_rates_of_their_own() -> None:
    sky = geometry(ground_rate_bps=100e6, uplink_rate_bps=20e6, downlink_rate_bps=50e6)
    epoch = sky.epoch(0.0)
    a, b = next((int(a), int(b)) for a, b, kind in zip(epoch.a, epoch.b, epoch.kind, strict=True) if kind)
    assert epoch.share_of(b, a) == pytest.approx(0.2), "from the ground up"
    assert epoch.share_of(a, b) == pytest.approx(0.5), "down to the ground"
    assert epoch.share_of(0, 1) == 1.0, "lasers have all of theirs"
