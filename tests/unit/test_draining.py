"""Packets under way when routes leave a link: they arrive over what is still lit, and nobody else is sent there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from skyrack.orchestrator.routing.draining import drained
from skyrack.orchestrator.routing.trees import next_hops, walk
from skyrack.orchestrator.topology.epoch import GROUND, LASER, Epoch

N_SAT, N_NODES = 8, 11
THROUGH = np.arange(N_NODES) < N_SAT
PAIRS = [(a, b) for a in range(N_SAT) for b in range(a + 1, N_NODES)]
ENDS = np.array([0, *range(N_SAT, N_NODES)], np.int32)  # a satellite and all stations


def hops(epoch: Epoch, wanted: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Shortest ways over some of the links."""
    a, b = epoch.a[wanted], epoch.b[wanted]
    delay_s = np.asarray(1e-3 + 1e-5 * (7 * a + b), dtype=np.float64)
    return next_hops(THROUGH, a, b, delay_s, ENDS)


def epoch_of(links: dict[tuple[int, int], bool]) -> Epoch:
    """Links and whether each is routed, with routes over those that are."""
    pairs = sorted(links)
    a, b = np.array(pairs, np.int32).reshape(-1, 2).T
    kind = np.where(b >= N_SAT, GROUND, LASER).astype(np.uint8)
    routed = np.array([links[pair] for pair in pairs], np.bool_)
    epoch = Epoch(0.0, 1.0, a, b, kind, ENDS, np.empty((0, N_NODES), np.int32), None, routed)
    return replace(epoch, next_hop=hops(epoch, routed))


def drain(epoch: Epoch) -> Epoch:
    every = np.ones(len(epoch.a), np.bool_)
    return drained(epoch, every, THROUGH, lambda: hops(epoch, every))


@given(st.dictionaries(st.sampled_from(PAIRS), st.booleans(), max_size=24))
def test_whatever_a_satellite_holds_arrives_over_what_is_lit(links: dict[tuple[int, int], bool]) -> None:
    epoch = epoch_of(links)
    whole, after = hops(epoch, np.ones(len(epoch.a), np.bool_)), drain(epoch)
    for row, end in enumerate(ENDS.tolist()):
        for satellite in range(N_SAT):
            arrives = walk(after.next_hop[row], satellite, end) is not None
            assert arrives == (walk(whole[row], satellite, end) is not None)


@given(st.dictionaries(st.sampled_from(PAIRS), st.booleans(), max_size=24))
def test_ways_in_force_are_what_they_are_without_what_is_under_way(
    links: dict[tuple[int, int], bool],
) -> None:
    epoch = epoch_of(links)
    after = drain(epoch)
    for row, end in enumerate(ENDS.tolist()):
        for source in ENDS.tolist():
            way = walk(epoch.next_hop[row], source, end)
            if way is not None or source >= N_SAT:
                assert walk(after.next_hop[row], source, end) == way


def test_an_old_satellite_delivers_what_it_gets_though_it_knows_a_way_round() -> None:
    first, second = N_SAT, N_SAT + 1
    lasers = {(0, 1): True, (1, 2): True, (2, 3): True}
    epoch = epoch_of({**lasers, (1, second): True, (2, first): False, (3, first): True})
    row = epoch.row_of(first)
    assert epoch.next_hop[row, 2] == 3
    assert drain(epoch).next_hop[row, 2] == 3, "the way from the second station passes there"
    epoch = epoch_of({**lasers, (3, second): True, (2, first): False, (3, first): True, (0, 3): True})
    assert drain(epoch).next_hop[row, 2] == first
    spared = np.array([(a, b) != (2, first) for a, b in zip(epoch.a, epoch.b, strict=True)])
    failed = drained(epoch, spared, THROUGH, lambda: hops(epoch, spared))
    assert failed.next_hop[row, 2] == 3, "a link that has failed carries nothing"


def test_tables_that_would_send_it_in_a_circle_leave_it_where_it_is() -> None:
    """A strategy that drops may, over more links, point where it pointed away from."""
    epoch = epoch_of({(1, 2): True, (0, 3): False})
    to_nobody = np.full_like(epoch.next_hop, -1)
    back = to_nobody.copy()
    row = epoch.row_of(0)
    back[row, [1, 2]] = 2, 1
    after = drained(
        replace(epoch, next_hop=to_nobody), np.ones(len(epoch.a), np.bool_), THROUGH, lambda: back
    )
    assert (after.next_hop[row, [1, 2]] == -1).all()
