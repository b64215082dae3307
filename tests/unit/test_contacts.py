"""Contacts: what crosses one arrives when it can at the earliest, and contact-graph routing misses no better way."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from math import inf

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from skyrack.orchestrator.routing.contact_search import earliest_legs
from skyrack.orchestrator.routing.contacts import Busy, Contact, free

NODES = 4


def contact(src: int, dst: int, *pieces: tuple[float, float, float, float]) -> Contact:
    """From pieces (from, until, delay, rate) that follow one another."""
    bounds_s = np.array([pieces[0][0], *(piece[1] for piece in pieces)])
    return Contact(
        src, dst, bounds_s, np.array([p[2] for p in pieces]), np.array([p[3] for p in pieces], dtype=float)
    )


@st.composite
def contacts(draw: st.DrawFn, src: int, dst: int) -> Contact:
    """Whole seconds and bytes per second."""
    at_s = draw(st.integers(0, 20))
    pieces = []
    for _ in range(draw(st.integers(1, 3))):
        until_s = at_s + draw(st.integers(1, 12))
        delay_s, rate_bps = draw(st.integers(0, 8)), 8 * draw(st.integers(1, 3))
        pieces.append((float(at_s), float(until_s), float(delay_s), float(rate_bps)))
        at_s = until_s
    return contact(src, dst, *pieces)


@st.composite
def plans(draw: st.DrawFn) -> list[Contact]:
    """A few contacts between four nodes."""
    ends = st.tuples(st.integers(0, NODES - 1), st.integers(0, NODES - 1)).filter(lambda ab: ab[0] != ab[1])
    pairs = draw(st.lists(ends, max_size=7))
    return [draw(contacts(src, dst)) for src, dst in pairs]


def sent_piece_by_piece(one: Contact, departs_s: float, size_bytes: int) -> tuple[float, float] | None:
    """When the last bit has left and when all have arrived: each piece takes what it can, a byte may be cut."""
    at_s, left_bits, arrives_s = departs_s, 8.0 * size_bytes, 0.0
    for until_s, delay_s, rate_bps in zip(one.bounds_s[1:], one.delay_s, one.rate_bps, strict=True):
        if at_s >= until_s:
            continue
        sent_s = min(float(until_s), at_s + left_bits / float(rate_bps))
        left_bits -= (sent_s - at_s) * float(rate_bps)
        at_s, arrives_s = sent_s, max(arrives_s, sent_s + float(delay_s))
        if left_bits < 1e-6:
            return at_s, arrives_s
    return None


def brute_crossing(one: Contact, from_s: float, size_bytes: int) -> float | None:
    """The earliest arrival over every start that could matter."""
    starts = [max(from_s, one.t0_s), *(b for b in one.bounds_s.tolist() if b > from_s)]
    found = [sent_piece_by_piece(one, start_s, size_bytes) for start_s in starts if start_s < one.t1_s]
    return min((sent[1] for sent in found if sent is not None), default=None)


@given(contacts(0, 1), st.integers(0, 30), st.integers(1, 60))
def test_a_crossing_is_as_early_as_sending_piece_by_piece(one: Contact, from_s: int, size_bytes: int) -> None:
    leg, expected_s = one.crossing(float(from_s), size_bytes), brute_crossing(one, float(from_s), size_bytes)
    if leg is None:
        assert expected_s is None
        return
    assert leg.arrives_s == pytest.approx(expected_s)
    assert max(one.t0_s, from_s) <= leg.departs_s < leg.sent_s <= leg.until_s == one.t1_s
    assert leg.arrives_s >= leg.sent_s


@given(contacts(0, 1), st.integers(0, 25), st.integers(0, 10), st.integers(1, 30))
def test_nobody_arrives_earlier_by_being_later(one: Contact, from_s: int, more_s: int, size: int) -> None:
    first, later = one.crossing(float(from_s), size), one.crossing(float(from_s + more_s), size)
    if later is not None:
        assert first is not None
        assert first.arrives_s <= later.arrives_s + 1e-9


@given(contacts(0, 1), st.integers(0, 40), st.integers(0, 40))
def test_a_part_carries_what_the_whole_does_then(one: Contact, t0_s: int, t1_s: int) -> None:
    part = one.part(float(t0_s), float(t1_s))
    t0_s, t1_s = max(t0_s, round(one.t0_s)), min(t1_s, round(one.t1_s))
    if part is None:
        assert t0_s >= t1_s
        return
    assert (part.t0_s, part.t1_s) == (t0_s, t1_s)
    for at_s in np.arange(t0_s, t1_s) + 0.5:
        there = int(np.searchsorted(part.bounds_s, at_s)) - 1
        whole = int(np.searchsorted(one.bounds_s, at_s)) - 1
        assert part.rate_bps[there] == one.rate_bps[whole]
        assert part.delay_s[there] == one.delay_s[whole]


def test_a_booked_crossing_leaves_what_comes_before_and_after_it() -> None:
    one, other = contact(0, 1, (0.0, 10.0, 1.0, 8.0)), contact(1, 0, (0.0, 10.0, 1.0, 8.0))
    left = list(free([one, other], [Busy(0, 1, 3.0, 5.0), Busy(0, 1, 9.0, 12.0)]))
    assert [(c.src, c.t0_s, c.t1_s) for c in left] == [(0, 0.0, 3.0), (0, 5.0, 9.0), (1, 0.0, 10.0)]


@given(contacts(0, 1), st.floats(0.0, 30.0), st.integers(1, 60))
def test_what_was_booked_fits_where_it_was_booked(one: Contact, from_s: float, size_bytes: int) -> None:
    leg = one.crossing(from_s, size_bytes)
    if leg is not None:
        alone = one.part(leg.departs_s, leg.sent_s)
        assert alone is not None
        again = alone.crossing(from_s, size_bytes)
        assert again is not None
        assert again.arrives_s == pytest.approx(leg.arrives_s)


def brute_force(plan: Sequence[Contact], src: int, dst: int, t_s: float, size: int) -> float | None:
    """The earliest arrival over every sequence of distinct nodes, crossing by crossing."""
    best = inf
    between = [node for node in range(NODES) if node not in (src, dst)]
    for count in range(len(between) + 1):
        for middle in permutations(between, count):
            at_s = t_s
            for a, b in zip((src, *middle), (*middle, dst), strict=True):
                times = [brute_crossing(c, at_s, size) for c in plan if (c.src, c.dst) == (a, b)]
                at_s = min((time for time in times if time is not None), default=inf)
                if at_s == inf:
                    break
            best = min(best, at_s)
    return best if best < inf else None


# Seven bytes are at node 1 after 8.5 s, and one of them leaves in two pieces of different rates.
CUT = [contact(0, 1, (3.0, 7.0, 2.0, 16.0)), contact(1, 3, (3.0, 14.0, 0.0, 8.0), (14.0, 15.0, 0.0, 16.0))]


@given(plans(), st.integers(0, 10), st.integers(1, 24))
@example(CUT, 0, 7)
def test_the_way_is_the_earliest_of_all_there_are(plan: list[Contact], t_s: int, size: int) -> None:
    legs, expected_s = earliest_legs(plan, 0, 3, float(t_s), size), brute_force(plan, 0, 3, float(t_s), size)
    if legs is None:
        assert expected_s is None
        return
    assert legs[-1].arrives_s == pytest.approx(expected_s)
    assert (legs[0].src, legs[-1].dst) == (0, 3)
    at_s = float(t_s)
    for before, leg in zip((None, *legs), legs, strict=False):
        assert before is None or before.dst == leg.src
        assert leg.departs_s >= at_s, "nothing is sent on before all of it is there"
        assert any(
            (c.src, c.dst) == (leg.src, leg.dst) and c.t0_s <= leg.departs_s and leg.sent_s <= c.t1_s
            for c in plan
        )
        at_s = leg.arrives_s


@given(plans(), st.integers(1, 24), st.sets(st.integers(1, 2)))
def test_what_stores_nothing_is_gone_around(plan: list[Contact], size: int, full: set[int]) -> None:
    legs = earliest_legs(plan, 0, 3, 0.0, size, lambda node: node not in full)
    expected_s = brute_force([c for c in plan if c.src not in full], 0, 3, 0.0, size)
    assert (legs[-1].arrives_s if legs else None) == (
        pytest.approx(expected_s) if expected_s is not None else None
    )


def test_waiting_for_a_much_shorter_way_is_earlier_than_sending_at_once() -> None:
    leg = contact(0, 1, (0.0, 2.0, 9.0, 8.0), (2.0, 9.0, 1.0, 8.0)).crossing(1.5, 1)
    assert leg is not None
    assert (leg.departs_s, leg.arrives_s) == (2.0, 4.0)
