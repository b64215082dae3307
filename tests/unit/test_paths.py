"""Paths in force and ideal ones, Hypatia's published end-to-end test among them."""

from __future__ import annotations

import csv
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyrack.orchestrator.routing.ideal import ideal_path
from skyrack.orchestrator.routing.paths import path_of
from skyrack.orchestrator.scenario import load_scenario
from skyrack.orchestrator.topology.geometry import Geometry

VECTORS = Path(__file__).parents[1] / "vectors"
ONE_MICROSECOND = 1e-6
IRIDIUM = Geometry(load_scenario("iridium"))


def test_kuiper630_reproduces_hypatia_path_by_path_and_microsecond_by_microsecond() -> None:
    """Manila to Dalian, 200 s in steps of 0.1 s: Kassing et al., "Exploring the Internet from space" (IMC 2020).

    Their round trips come from pyephem (its own ellipsoid, sidereal time and rounded elements), hence 0.44 us at most
    and not zero. Their ids are plane * 34 + slot, and 1156 + k for stations.
    """
    geometry = Geometry(load_scenario("kuiper630"))
    manila, dalian = geometry.index_of("manila"), geometry.index_of("dalian")
    theirs = {manila: 1156 + 17, dalian: 1156 + 85}
    with (VECTORS / "kuiper630_manila_dalian_path.csv").open() as file:
        changes = {int(t_ns): [int(node) for node in path.split("-")] for t_ns, path in csv.reader(file)}
    with (VECTORS / "kuiper630_manila_dalian_rtt.csv").open() as file:
        round_trips = [(int(t_ns), float(rtt_ns) / 1e9) for t_ns, rtt_ns in csv.reader(file)]
    assert len(round_trips) == 2000
    expected: list[int] = []
    worst_s = 0.0
    for t_ns, rtt_s in round_trips:
        expected = changes.get(t_ns, expected)
        found = ideal_path(geometry, manila, dalian, t_ns / 1e9)
        assert found is not None
        assert [theirs.get(node, node) for node in found[2]] == expected, t_ns
        worst_s = max(worst_s, abs(found[0] - rtt_s))
    assert worst_s < ONE_MICROSECOND / 2


def test_ideal_round_trip_is_twice_the_way_and_adds_up() -> None:
    london, tokyo = IRIDIUM.index_of("london"), IRIDIUM.index_of("tokyo")
    found = ideal_path(IRIDIUM, london, tokyo, 100.0)
    assert found is not None
    rtt_s, one_way_s, path = found
    assert rtt_s == 2 * one_way_s
    assert one_way_s == pytest.approx(IRIDIUM.delay_s(path[:-1], path[1:], 100.0).sum())
    assert (path[0], path[-1]) == (london, tokyo)
    assert ideal_path(IRIDIUM, london, london, 100.0) == (0.0, 0.0, [london])


@settings(deadline=None, max_examples=40)
@given(t_s=st.floats(0, 50_000), a=st.integers(0, 68), b=st.integers(0, 68))
def test_the_ideal_way_is_as_long_in_both_directions(t_s: float, a: int, b: int) -> None:
    there, back = ideal_path(IRIDIUM, a, b, t_s), ideal_path(IRIDIUM, b, a, t_s)
    assert (there is None) == (back is None)
    if there and back:
        assert there[0] == pytest.approx(back[0], abs=1e-12)


@settings(deadline=None, max_examples=40)
@given(t_s=st.floats(0, 50_000), a=st.integers(0, 68), b=st.integers(0, 68))
def test_what_is_in_force_is_never_faster_than_ideal_at_the_epoch_s_start(t_s: float, a: int, b: int) -> None:
    """The links of an epoch are a part of those at its start, and its routes are shortest over them."""
    epoch = IRIDIUM.epoch(t_s)
    if epoch.row_of(a) is None and epoch.row_of(b) is None:
        return
    path = path_of(epoch, a, b)
    ideal = ideal_path(IRIDIUM, a, b, epoch.t0_s)
    if path is not None:
        assert ideal is not None
        assert IRIDIUM.delay_s(path[:-1], path[1:], epoch.t0_s).sum() >= ideal[1] - 1e-12


def test_the_way_to_a_bare_satellite_is_the_answer_s_way_backwards() -> None:
    """Both directions must be known to the fabric, though only inhabited nodes have trees."""
    epoch = IRIDIUM.epoch(0.0)
    bare = next(node for node in range(66) if epoch.row_of(node) is None)
    there, back = path_of(epoch, 66, bare), path_of(epoch, bare, 66)
    assert there is not None
    assert there == back[::-1] if back else False
    assert path_of(epoch, bare, bare) == [bare]


def test_two_bare_satellites_have_no_routes_in_force() -> None:
    epoch = IRIDIUM.epoch(0.0)
    bare = [node for node in range(66) if epoch.row_of(node) is None][:2]
    with pytest.raises(ValueError, match="inhabited"):
        path_of(epoch, *bare)


def test_paths_in_force_use_links_in_force() -> None:
    epoch = IRIDIUM.epoch(500.0)
    links = set(zip(epoch.a.tolist(), epoch.b.tolist(), strict=True))
    for a in IRIDIUM.inhabited.tolist():
        for b in IRIDIUM.inhabited.tolist():
            path = path_of(epoch, a, b)
            assert path is not None
            assert all((min(x, y), max(x, y)) in links for x, y in pairwise(path))
            assert all(node < 66 for node in path[1:-1])
            assert np.unique(path).size == len(path)
