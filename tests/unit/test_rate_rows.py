"""Rates of links from transfers along paths: every way is crossed, none is shared, the guilty link is told apart."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from skyrack.orchestrator.measure.rate_rows import Crossing, Pair, cover, rounds, way_rows

NODES = st.sampled_from("abcdefgh")
PATHS = st.dictionaries(
    st.tuples(NODES, NODES), st.lists(NODES, min_size=2, max_size=5, unique=True).map(tuple), max_size=12
)


def ways(paths: dict[Pair, tuple[str, ...]]) -> set[tuple[str, str]]:
    return {way for path in paths.values() for way in pairwise(path)}


@given(PATHS)
def test_the_cover_crosses_every_way_and_no_path_of_it_in_vain(paths: dict[Pair, tuple[str, ...]]) -> None:
    chosen = cover(paths, ways(paths))
    assert ways({pair: paths[pair] for pair in chosen}) == ways(paths)
    assert len(chosen) <= len(ways(paths))


@given(PATHS)
def test_transfers_of_one_round_share_no_way_and_every_path_has_its_round(
    paths: dict[Pair, tuple[str, ...]],
) -> None:
    found = rounds(paths)
    assert sorted(pair for group in found for pair in group) == sorted(paths)
    for group in found:
        assert len(ways({pair: paths[pair] for pair in group})) == sum(len(paths[pair]) - 1 for pair in group)


def test_only_the_way_that_every_slow_transfer_crosses_fails() -> None:
    found = {
        row.name: row
        for row in way_rows(
            [
                Crossing(("a", "b", "c"), 1e9, 0.5e9),
                Crossing(("a", "b", "d"), 1e9, 1.001e9),
                Crossing(("e", "b", "c"), 1e9, 0.5e9),
                Crossing(("e", "b"), 1e9, 1e9),
            ]
        )
    }
    assert {name for name, row in found.items() if row.ok is False} == {"b>c"}
    assert (found["b>c"].samples, found["b>c"].note) == (2, "50.0% off")


def test_a_way_without_a_measurement_is_not_judged_and_says_why() -> None:
    (row,) = way_rows([Crossing(("a", "b"), 1e5, None, "too slow")])
    assert (row.ok, row.measured, row.note) == (None, None, "too slow")
