"""Numbers of links: stable while in use, unique, and given away only when none is left."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyrack.orchestrator.fabric.engine import NO_LINK
from skyrack.orchestrator.runtime.numbering import LinkNumbering, NumberedEpoch
from skyrack.orchestrator.topology.epoch import Epoch

N = 6
PAIRS = [(a, b) for a in range(N) for b in range(a + 1, N)]


def epoch(pairs: list[tuple[int, int]], hops: list[list[int]] | None = None) -> Epoch:
    """An epoch of these links; next hops for destinations 0, 1, ..."""
    rows = hops or []
    return Epoch(
        0.0,
        1.0,
        np.array([a for a, _ in pairs], np.int32),
        np.array([b for _, b in pairs], np.int32),
        np.zeros(len(pairs), np.uint8),
        np.arange(len(rows), dtype=np.int32),
        np.array(rows, np.int32).reshape(len(rows), N),
    )


def number(numbering: LinkNumbering, links: Epoch) -> NumberedEpoch:
    """Number an epoch's links."""
    return numbering.number(links)


@given(st.lists(st.lists(st.sampled_from(PAIRS), unique=True, max_size=5), max_size=12), st.integers(5, 15))
def test_numbers_stay_while_a_pair_is_in_use_and_are_never_shared(
    epochs: list[list[tuple[int, int]]], capacity: int
) -> None:
    numbering = LinkNumbering(capacity)
    before: dict[tuple[int, int], int] = {}
    for pairs in epochs:
        numbered = number(numbering, epoch(sorted(pairs)))
        now = dict(zip(sorted(pairs), numbered.pairs.tolist(), strict=True))
        assert len(set(now.values())) == len(now)
        assert all(0 <= value < capacity for value in now.values())
        for pair, value in now.items():
            if pair in before:
                assert value == before[pair]
                assert value not in numbered.fresh
            assert numbering.of(*pair) == value
        assert set(numbered.fresh) <= set(now.values())
        before = now


def test_a_pair_that_comes_back_has_its_number_while_fresh_ones_last() -> None:
    numbering = LinkNumbering(3)
    assert number(numbering, epoch([(0, 1), (1, 2)])).pairs.tolist() == [0, 1]
    assert number(numbering, epoch([(1, 2)])).fresh == []
    again = number(numbering, epoch([(0, 1), (1, 2)]))
    assert (again.pairs.tolist(), again.fresh) == ([0, 1], [])
    number(numbering, epoch([(1, 2)]))
    assert number(numbering, epoch([(1, 2), (2, 3)])).pairs.tolist() == [1, 2]
    taken = number(numbering, epoch([(1, 2), (2, 3), (3, 4)]))  # only now the idle one is given away
    assert taken.fresh == [0]
    assert numbering.of(0, 1) is None


def test_more_links_at_once_than_there_are_numbers_is_an_error() -> None:
    with pytest.raises(OverflowError, match="more than 2 links at once"):
        number(LinkNumbering(2), epoch([(0, 1), (1, 2), (2, 3)]))


def test_next_hops_become_directed_links() -> None:
    links = epoch([(0, 1), (1, 2), (2, 5)], [[0, 0, 1, -1, -1, 2], [1, 1, 1, -1, -1, 2]])
    numbering = LinkNumbering(9)
    number(numbering, links)
    none = NO_LINK
    assert numbering.translate(links).tolist() == [
        [
            none,
            1,
            3,
            none,
            none,
            5,
        ],  # towards 0: 1 by the first link backwards, 2 by the second, 5 by the third
        [0, none, 3, none, none, 5],
    ]


def test_a_mesh_without_links_has_no_routes() -> None:
    links = epoch([], [[0, -1, -1, -1, -1, -1]])
    assert (LinkNumbering(1).translate(links) == NO_LINK).all()
