"""Next hops: as short as the best of all paths, never through who does not forward, never in a loop."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from skyrack.orchestrator.routing.trees import next_hops, walk


@dataclass(frozen=True)
class Network:
    """Links (m,) with delays; `through` (n,): who forwards."""

    through: NDArray[np.bool_]
    a: NDArray[np.int32]
    b: NDArray[np.int32]
    delay_s: NDArray[np.float64]


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """Up to 12 nodes, about half of them forwarding, joined at random; delays are distinct or of a few values."""
    n = draw(st.integers(2, 12))
    through = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    every = [(x, y) for x in range(n) for y in range(x + 1, n)]
    pairs = draw(st.lists(st.sampled_from(every), unique=True))
    values = st.floats(1e-6, 0.05) | st.sampled_from([0.0, 0.001, 0.002])
    delay_s = draw(st.lists(values, min_size=len(pairs), max_size=len(pairs)))
    a, b = np.array(pairs, dtype=np.int32).reshape(-1, 2).T
    return Network(np.array(through), a, b, np.array(delay_s, dtype=np.float64))


def _all_pairs_s(network: Network) -> NDArray[np.float64]:
    """Floyd and Warshall over those that forward: an independent answer."""
    n = len(network.through)
    total_s = np.full((n, n), np.inf)
    np.fill_diagonal(total_s, 0.0)
    total_s[network.a, network.b] = total_s[network.b, network.a] = network.delay_s
    for middle in np.nonzero(network.through)[0].tolist():
        total_s = np.minimum(total_s, total_s[:, middle : middle + 1] + total_s[middle])
    return total_s


@given(networks())
def test_every_path_is_as_short_as_the_best_of_all(network: Network) -> None:
    n = len(network.through)
    hop = next_hops(network.through, network.a, network.b, network.delay_s, np.arange(n, dtype=np.int32))
    best_s = _all_pairs_s(network)
    links = {
        (x, y): s for x, y, s in zip(network.a.tolist(), network.b.tolist(), network.delay_s, strict=True)
    }
    for destination in range(n):
        for source in range(n):
            path = walk(hop[destination], source, destination)
            if path is None:
                assert np.isinf(best_s[source, destination])
                continue
            length_s = sum(links[min(x, y), max(x, y)] for x, y in pairwise(path))
            assert abs(length_s - best_s[source, destination]) < 1e-12
            assert all(network.through[node] for node in path[1:-1]), "through a node that does not forward"
            assert len(set(path)) == len(path)


def test_two_stations_under_one_satellite_reach_each_other_only_through_it() -> None:
    """Station 3 sees satellites 0 and 1, which have no laser: 3 must not join them for station 2."""
    a, b = np.array([0, 0, 1], dtype=np.int32), np.array([2, 3, 3], dtype=np.int32)
    through = np.array([True, True, False, False])
    hop = next_hops(through, a, b, np.array([0.002, 0.002, 0.002]), np.array([1, 2, 3], dtype=np.int32))
    assert walk(hop[1], 3, 2) == [3, 0, 2]
    assert walk(hop[0], 2, 1) is None
    assert walk(hop[0], 3, 1) == [3, 1]


def test_a_network_without_links_and_without_destinations() -> None:
    nobody = np.empty(0, dtype=np.int32)
    through = np.ones(4, dtype=np.bool_)
    assert next_hops(through, nobody, nobody, np.empty(0), nobody).shape == (0, 4)
    hop = next_hops(through, nobody, nobody, np.empty(0), np.array([3], dtype=np.int32))
    assert hop.tolist() == [[-1, -1, -1, 3]]
