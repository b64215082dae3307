"""Next hops: as short as the best of all paths, never through a ground station, never in a loop."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from skyrack.orchestrator.routing.trees import next_hops, walk

Network = tuple[int, int, NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """Up to nine satellites and four stations with random links; delays are distinct or drawn from a few values."""
    n_sat, n_ground = draw(st.integers(1, 9)), draw(st.integers(0, 4))
    possible = [(a, b) for a in range(n_sat) for b in range(a + 1, n_sat + n_ground)]
    chosen = draw(st.lists(st.sampled_from(possible), unique=True, max_size=20)) if possible else []
    values = st.floats(1e-6, 0.05) | st.sampled_from([0.0, 0.001, 0.002])
    delay_s = draw(st.lists(values, min_size=len(chosen), max_size=len(chosen)))
    ends = np.array(sorted(chosen), dtype=np.int32).reshape(-1, 2)
    return n_sat, n_sat + n_ground, ends[:, 0], ends[:, 1], np.array(delay_s)


def _all_pairs_s(network: Network) -> NDArray[np.float64]:
    """Floyd and Warshall over the satellites only, then a station at either end: an independent answer."""
    n_sat, n_nodes, a, b, delay_s = network
    link_s = np.full((n_nodes, n_nodes), np.inf)
    np.fill_diagonal(link_s, 0.0)
    link_s[a, b] = link_s[b, a] = delay_s
    between_s = link_s[:n_sat, :n_sat].copy()
    for middle in range(n_sat):
        between_s = np.minimum(between_s, between_s[:, middle : middle + 1] + between_s[middle])
    ends_s = np.minimum.reduce(link_s[:, :n_sat, np.newaxis] + between_s[np.newaxis], axis=1)
    total_s: NDArray[np.float64] = np.minimum.reduce(
        ends_s[:, np.newaxis, :] + link_s[np.newaxis, :, :n_sat], axis=2
    )
    np.fill_diagonal(total_s, 0.0)
    return total_s


@given(networks())
def test_every_path_is_as_short_as_the_best_of_all(network: Network) -> None:
    n_sat, n_nodes, a, b, delay_s = network
    everyone = np.arange(n_nodes, dtype=np.int32)
    hop = next_hops(n_sat, n_nodes, a, b, delay_s, everyone)
    best_s = _all_pairs_s(network)
    links = {(int(x), int(y)): s for x, y, s in zip(a, b, delay_s, strict=True)}
    for destination in range(n_nodes):
        for source in range(n_nodes):
            path = walk(hop[destination], source, destination)
            if path is None:
                assert np.isinf(best_s[source, destination])
                continue
            length_s = sum(links[min(x, y), max(x, y)] for x, y in pairwise(path))
            assert abs(length_s - best_s[source, destination]) < 1e-12
            assert all(node < n_sat for node in path[1:-1]), "through a ground station"
            assert len(set(path)) == len(path)


def test_two_stations_under_one_satellite_reach_each_other_only_through_it() -> None:
    """Station 3 sees satellites 0 and 1, which have no laser: 3 must not join them for station 2."""
    a, b = np.array([0, 0, 1], dtype=np.int32), np.array([2, 3, 3], dtype=np.int32)
    hop = next_hops(2, 4, a, b, np.array([0.002, 0.002, 0.002]), np.array([1, 2, 3], dtype=np.int32))
    assert walk(hop[1], 3, 2) == [3, 0, 2]
    assert walk(hop[0], 2, 1) is None
    assert walk(hop[0], 3, 1) == [3, 1]


def test_a_network_without_links_and_without_destinations() -> None:
    nobody = np.empty(0, dtype=np.int32)
    assert next_hops(3, 4, nobody, nobody, np.empty(0), nobody).shape == (0, 4)
    hop = next_hops(3, 4, nobody, nobody, np.empty(0), np.array([3], dtype=np.int32))
    assert hop.tolist() == [[-1, -1, -1, 3]]
