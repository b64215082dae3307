"""Routing strategies: no loops, no links that are not there, and what each promises."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyrack.orchestrator.orbit.layout import Layout
from skyrack.orchestrator.routing.strategies import STRATEGIES, View
from skyrack.orchestrator.routing.strategies.load_aware import Held, rebalance
from skyrack.orchestrator.routing.strategies.static import Static, manhattan
from skyrack.orchestrator.routing.trees import next_hops, walk
from skyrack.orchestrator.scenario import load_scenario
from skyrack.orchestrator.scenario.model.routing import LoadAware, Routing
from skyrack.orchestrator.topology.failures import Failures
from skyrack.orchestrator.topology.geometry import Geometry

GEOMETRIES = {name: Geometry(load_scenario(name)) for name in ("iridium", "starlink-shell1")}


def _view(preset: str, t_s: float, seed: int = 0, broken: int = 0) -> View:
    geometry = GEOMETRIES[preset]
    epoch, draw = geometry.epoch(t_s), np.random.default_rng(seed)
    lost = draw.choice(len(epoch.a), size=broken, replace=False)
    cut = frozenset((int(epoch.a[i]), int(epoch.b[i])) for i in lost)
    view = geometry.view(epoch, Failures(links=cut))
    return replace(view, load=draw.uniform(0.0, 1.2, view.load.shape))


@pytest.mark.parametrize("preset", GEOMETRIES)
@pytest.mark.parametrize("name", STRATEGIES)
@settings(deadline=None, max_examples=6)
@given(t_s=st.floats(0, 20_000), seed=st.integers(0, 99), broken=st.integers(0, 30))
def test_paths_use_links_of_the_view_once_and_pass_no_ground_station(
    name: str, preset: str, t_s: float, seed: int, broken: int
) -> None:
    view = _view(preset, t_s, seed, broken)
    hop = STRATEGIES[name](Routing())(view)
    best = next_hops(view.through, view.a, view.b, view.delay_s, view.destinations)
    delay_s = dict(
        zip(zip(view.a.tolist(), view.b.tolist(), strict=True), view.delay_s.tolist(), strict=True)
    )
    for row, destination in enumerate(view.destinations.tolist()):
        assert hop[row, destination] == destination
        for source in range(0, view.n_nodes, 37 if preset != "iridium" else 1):
            path = walk(hop[row], source, destination)
            ideal = walk(best[row], source, destination)
            if path is None:
                seen, here = set[int](), source
                while hop[row, here] >= 0:
                    assert here not in seen, "a loop"
                    seen.add(here)
                    here = int(hop[row, here])
                assert name == "static" or ideal is None
                continue
            assert len(set(path)) == len(path)
            assert all(node < view.n_sat for node in path[1:-1])
            took_s = sum(delay_s[min(x, y), max(x, y)] for x, y in pairwise(path))
            assert ideal is not None
            assert took_s >= sum(delay_s[min(x, y), max(x, y)] for x, y in pairwise(ideal)) - 1e-12


@pytest.mark.parametrize("name", ["ephemeris", "load-aware"])
def test_without_load_the_trees_are_those_of_least_delay(name: str) -> None:
    view = replace(
        _view("starlink-shell1", 500.0), load=np.zeros((len(_view("starlink-shell1", 500.0).a), 2))
    )
    best = next_hops(view.through, view.a, view.b, view.delay_s, view.destinations)
    assert (STRATEGIES[name](Routing())(view) == best).all()


@st.composite
def grids(draw: st.DrawFn) -> Layout:
    planes, slots = draw(st.integers(1, 7)), draw(st.integers(1, 9))
    satellite = np.arange(planes * slots, dtype=np.int32).reshape(planes, slots)
    return Layout(satellite, seam=draw(st.booleans()), seam_shift=draw(st.integers(0, planes - 1)) % slots)


def _whole(grid: Layout) -> View:
    """A view in which every link of a grid is lit."""
    pairs = np.unique(np.sort(grid.neighbours(), axis=1), axis=0)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    n, m = grid.satellite.size, len(pairs)
    everyone = np.arange(n, dtype=np.int32)
    kind, delay_s = np.zeros(m, np.uint8), np.ones(m)
    through = np.ones(n, np.bool_)
    return View(
        0.0, n, n, through, pairs[:, 0], pairs[:, 1], kind, delay_s, np.zeros((m, 2)), (grid,), everyone
    )


@settings(deadline=None)
@given(grid=grids(), planes_first=st.booleans())
def test_static_takes_as_many_steps_as_the_shortest_way_on_the_whole_grid(
    grid: Layout, planes_first: bool
) -> None:
    """Manhattan length is the number of links of the shortest way: breadth-first search is the independent answer."""
    view = _whole(grid)
    hop = Static(planes_first)(view)
    best = next_hops(view.through, view.a, view.b, view.delay_s, view.destinations)
    for target in range(view.n_sat):
        plane, slot = divmod(target, grid.satellite.shape[1])
        for source in range(view.n_sat):
            path, ideal = walk(hop[target], source, target), walk(best[target], source, target)
            assert path is not None
            assert ideal is not None
            p, s = divmod(source, grid.satellite.shape[1])
            across, along = manhattan(grid, np.array(p), np.array(s), plane, slot)
            assert len(path) - 1 == abs(int(across)) + abs(int(along)) == len(ideal) - 1


def _without(view: View, a: int, b: int) -> View:
    """The same without one link."""
    kept = ~((view.a == a) & (view.b == b))
    return replace(
        view,
        a=view.a[kept],
        b=view.b[kept],
        kind=view.kind[kept],
        delay_s=view.delay_s[kept],
        load=view.load[kept],
    )


def test_static_crosses_planes_first_or_last_and_drops_at_what_is_dark() -> None:
    grid = Layout(np.arange(20, dtype=np.int32).reshape(4, 5), seam=False)
    view = _whole(grid)
    assert walk(Static(True)(view)[12], 0, 12) == [0, 5, 10, 11, 12]
    assert walk(Static(False)(view)[12], 0, 12) == [0, 1, 2, 7, 12]
    cut = _without(view, 5, 10)
    hop = Static(True)(cut)[12]
    assert walk(hop, 0, 12) is None
    assert hop[0] == 5, "nobody but the link's own end knows"
    assert hop[5] == -1


def test_static_never_crosses_a_dark_seam() -> None:
    grid = Layout(np.arange(24, dtype=np.int32).reshape(6, 4), seam=False)
    path = walk(Static(True)(_whole(grid))[20], 0, 20)
    assert path == [0, 4, 8, 12, 16, 20]
    assert walk(Static(True)(_whole(replace(grid, seam=True)))[20], 0, 20) == [0, 20]


def _diamond(units: int) -> View:
    """Satellite 0 reaches 3 by 1 or by 2, alike; `units` stations hang below 3: as many trees."""
    stations = np.arange(4, 4 + units, dtype=np.int32)
    a = np.concatenate([[0, 0, 1, 2], np.full(units, 3)]).astype(np.int32)
    b = np.concatenate([[1, 2, 3, 3], stations]).astype(np.int32)
    kind = (b >= 4).astype(np.uint8)
    destinations = np.concatenate([[0], stations]).astype(np.int32)
    return View(
        0.0,
        4,
        4 + units,
        np.arange(4 + units) < 4,
        a,
        b,
        kind,
        np.full(len(a), 0.002),
        np.zeros((len(a), 2)),
        (),
        destinations,
    )


@pytest.mark.parametrize(("units", "each"), [(4, 0.22), (3, 0.3), (8, 0.11), (2, 0.45), (5, 0.15)])
def test_load_spreads_over_equal_ways_and_stays(units: int, each: float) -> None:
    """Every station draws `each` of a link's rate from satellite 0; loads are measured after each change."""
    view, keys, held = _diamond(units), LoadAware(), None
    by_1: list[list[bool]] = []
    for turn in range(120):
        held = rebalance(view, keys, held, turn % keys.stagger)
        through = held.next_hop[1:, 0] == 1
        by_1.append(through.tolist())
        load = np.zeros_like(view.load)
        load[[0, 2], 0], load[[1, 3], 0] = each * through.sum(), each * (~through).sum()
        view = replace(view, load=load)
    assert abs(sum(by_1[-1]) - units / 2) < 1.0, "it spreads"
    assert all(now == by_1[-1] for now in by_1[-80:]), "it does not flap"


def test_a_branch_over_a_lost_link_grows_anew_out_of_turn_and_others_are_kept() -> None:
    view, keys = _diamond(2), LoadAware()
    first = rebalance(view, keys, None, 0)
    mixed = Held.of(first.next_hop.copy())
    mixed.next_hop[1, 0], mixed.next_hop[2, 0] = 1, 2
    cut = _without(view, 0, 1)
    after = rebalance(cut, keys, mixed, None)
    assert after.next_hop[1, 0] == 2
    assert (after.next_hop[2] == mixed.next_hop[2]).all()
    assert (after.replaced == 0.0).all()


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 999), broken=st.integers(0, 40))
def test_trees_that_are_mended_and_replaced_by_turns_never_hold_a_loop(seed: int, broken: int) -> None:
    """Held trees of other loads and other epochs, links lost from them, someone's turn: every walk ends."""
    keys = LoadAware(margin_ratio=0.0)
    held = rebalance(_view("iridium", 1000.0, seed), keys, None, None)
    for step in range(4):
        view = _view("iridium", 1000.0 + 15.0 * step, seed + step, broken)
        before, held = held, rebalance(view, keys, held, step)
        links = set(zip(view.a.tolist(), view.b.tolist(), strict=True))
        best = next_hops(view.through, view.a, view.b, view.delay_s, view.destinations)
        for row, destination in enumerate(view.destinations.tolist()):
            for source in range(view.n_nodes):
                path = walk(held.next_hop[row], source, destination)
                assert (path is None) == (walk(best[row], source, destination) is None)
                assert path is None or all((min(x, y), max(x, y)) in links for x, y in pairwise(path))
                old = walk(before.next_hop[row], source, destination)
                whole = old is not None and all((min(x, y), max(x, y)) in links for x, y in pairwise(old))
                if whole and row % keys.stagger != step:
                    assert path == old
