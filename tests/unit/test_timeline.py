"""Orbit time follows what was said of it, never goes back, and is found again from either side."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyrack.orchestrator.timeline import Piece, Timeline

CHANGES = st.lists(
    st.tuples(st.floats(0.0, 100.0), st.sampled_from([0.0, 0.5, 1.0, 60.0]), st.floats(0.0, 1e4)), max_size=6
)


def test_a_pause_a_jump_and_another_speed_are_where_they_were_said_to_be() -> None:
    timeline = Timeline(2.0)
    timeline.change(10.0, speed=0.0)
    timeline.change(15.0, t_s=100.0)
    timeline.change(20.0, speed=60.0)
    assert [timeline.t_s(s) for s in (5.0, 10.0, 14.0, 15.0, 19.0, 21.0)] == [
        10.0,
        20.0,
        20.0,
        100.0,
        100.0,
        160.0,
    ]
    assert timeline.run_s(20.0) == 10.0
    assert timeline.run_s(50.0) == 15.0, "jumped over: at the jump"
    assert timeline.run_s(130.0) == 20.5
    assert timeline.speed_at(16.0) == 0.0


def test_what_is_never_reached_while_paused_is_infinitely_far() -> None:
    timeline = Timeline(1.0)
    timeline.change(1.0, speed=0.0)
    assert timeline.run_s(1.5) == math.inf


def test_orbit_time_does_not_go_back() -> None:
    timeline = Timeline(1.0)
    with pytest.raises(ValueError, match="cannot go back from 10"):
        timeline.change(10.0, t_s=9.0)
    timeline.change(10.0, speed=0.0)
    with pytest.raises(ValueError, match="changed after"):
        timeline.change(9.0, speed=1.0)


def test_many_instants_at_once_are_what_each_is_alone_and_given_pieces_go_on() -> None:
    before = Timeline(2.0)
    before.change(10.0, speed=0.0)
    before.change(15.0, t_s=100.0, speed=60.0)
    timeline = Timeline(1.0, before.pieces)
    instants = np.array([-1.0, 0.0, 9.0, 10.0, 14.9, 15.0, 21.0])
    assert timeline.times_s(instants).tolist() == [before.t_s(at_s) for at_s in instants.tolist()]
    assert timeline.change(30.0, speed=1.0).t_s == 1000.0


def test_who_listens_hears_the_piece_in_force() -> None:
    timeline, heard = Timeline(1.0), list[Piece]()
    timeline.listen(lambda piece: heard.append(timeline.piece_at(piece.run_s)))
    assert timeline.change(3.0, speed=5.0) == heard[0] == Piece(3.0, 3.0, 5.0)


@given(CHANGES, st.floats(0.0, 200.0))
def test_the_run_time_found_for_an_orbit_time_is_the_first_that_reaches_it(
    changes: list[tuple[float, float, float]], run_s: float
) -> None:
    timeline = Timeline(1.0)
    for at_s, speed, further_s in sorted(changes):
        timeline.change(at_s, speed=speed, t_s=timeline.t_s(at_s) + further_s)
    t_s = timeline.t_s(run_s)
    found_s = timeline.run_s(t_s)
    slowest = 0.5  # of the speeds above that reach anything
    assert found_s <= run_s + 2 * (math.ulp(t_s) / slowest + math.ulp(run_s)), (
        "but for what orbit time is rounded to"
    )
    assert timeline.t_s(found_s) >= t_s - 1e-6 * max(1.0, t_s)
