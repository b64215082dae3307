"""What the log says of adoptions: each node follows the newest routes it has heard of, until the next epoch takes over."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from skyrack.orchestrator.routing.cut import Cut
from skyrack.orchestrator.routing.force_log import ForceLog
from skyrack.orchestrator.scenario import load_scenario
from skyrack.orchestrator.topology.epoch import Epoch
from skyrack.orchestrator.topology.geometry import Geometry

N = 4
INSTANTS_S = tuple(np.arange(0.0, 13.0, 0.5).tolist())
WHEN = st.tuples(*[st.sampled_from((3.0, 4.0, 5.0, 6.0, 7.0, np.inf))] * N).filter(
    lambda when_s: np.isfinite(when_s).any()
)
FIRST = Geometry(load_scenario("iridium")).epoch(0.0)


def marked(mark: int) -> Epoch:
    """An epoch whose only route says which one it is."""
    return replace(FIRST, destinations=np.zeros(1, np.int32), next_hop=np.full((1, N), mark, np.int32))


def marks_at(log: ForceLog, t_s: float) -> list[int]:
    """Which epoch each node follows, by the mark of its routes, as the oracle's walk looks it up."""
    history = log.history()
    numbers = history.epoch_numbers(np.full(N, t_s), np.arange(N))
    return [int(history.epochs[n].next_hop[0, i]) if n >= 0 else -1 for i, n in enumerate(numbers.tolist())]


def told(adoptions: list[tuple[float, ...]]) -> ForceLog:
    """Epoch 0 from 0 s on; in it adoptions 1, 2, ..."""
    log = ForceLog()
    log.record(0.0, marked(0))
    for number, when_s in enumerate(adoptions, start=1):
        log.adopt(np.array(when_s), marked(number))
    return log


@given(st.lists(WHEN, max_size=4), st.sampled_from(INSTANTS_S))
def test_each_node_follows_what_it_adopted_last_and_nobody_elses(
    adoptions: list[tuple[float, ...]], t_s: float
) -> None:
    expected = []
    for node in range(N):
        mine = [
            (when_s[node], number) for number, when_s in enumerate(adoptions, start=1) if when_s[node] <= t_s
        ]
        expected.append(max(mine, default=(0.0, 0))[1])
    assert marks_at(told(adoptions), t_s) == expected


@given(st.lists(WHEN, max_size=4), st.sampled_from((4.5, 5.0, 6.5)), st.sampled_from(INSTANTS_S))
def test_a_later_epoch_voids_what_has_not_been_adopted_by_then(
    adoptions: list[tuple[float, ...]], next_s: float, t_s: float
) -> None:
    log = told(adoptions)
    before = marks_at(log, t_s)
    log.record(next_s, marked(99))
    assert marks_at(log, t_s) == (before if t_s < next_s else [99] * N)


def test_what_is_adopted_in_an_announced_epoch_does_not_hold_before_it() -> None:
    """News heard after the next epoch's beginning changes that epoch's routes."""
    log = told([])
    log.record(5.0, marked(50))
    log.adopt(np.array([6.0, np.inf, 6.0, np.inf]), marked(51))
    assert marks_at(log, 4.9) == [0] * N
    assert marks_at(log, 5.9) == [50] * N
    assert marks_at(log, 6.0) == [51, 50, 51, 50]


@given(st.lists(WHEN, max_size=4), st.booleans(), st.sampled_from(INSTANTS_S))
def test_the_epoch_in_force_has_the_routes_that_the_walk_follows(
    adoptions: list[tuple[float, ...]], another: bool, t_s: float
) -> None:
    log = told(adoptions)
    if another:
        log.record(5.5, marked(99))
    view = log.epoch_at(t_s)
    assert view is not None
    assert view.next_hop[0].tolist() == marks_at(log, t_s)


@given(st.lists(WHEN, max_size=4), st.booleans(), st.sampled_from(INSTANTS_S))
def test_pruning_changes_nothing_from_its_instant_on(
    adoptions: list[tuple[float, ...]], another: bool, before_s: float
) -> None:
    log = told(adoptions)
    if another:
        log.record(5.5, marked(99))
    later = [t_s for t_s in INSTANTS_S if t_s >= before_s]
    expected = [marks_at(log, t_s) for t_s in later]
    log.prune(before_s)
    assert [marks_at(log, t_s) for t_s in later] == expected


def test_cuts_hold_from_their_instant_until_others_do_and_old_ones_are_forgotten() -> None:
    log, one_way = told([]), Cut(frozenset({0}), frozenset({1, 2}))
    log.cut(2.0, (one_way,))
    log.cut(4.0, ())
    t_s = np.array([1.9, 2.0, 3.9, 4.0])
    for before_s in (0.0, 3.0):
        log.prune(before_s)
        later = slice(0 if before_s == 0.0 else 2, None)
        assert log.history().cuts.part(0, 2, t_s[later]).tolist() == [False, True, True, False][later]
        assert not log.history().cuts.part(2, 0, t_s).any()
    log.prune(5.0)
    assert len(log.history().cuts.cuts) == 1


def test_adoptions_of_epochs_that_are_over_are_forgotten() -> None:
    """A run of a week with a fault every minute must not remember them all."""
    log = told([(3.0, 4.0, 5.0, np.inf)])
    log.record(8.0, marked(99))
    log.prune(7.9)
    assert len(log.history().adopted) == 1
    log.prune(8.0)
    assert log.history().adopted == ()


def frozen(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """It cannot be written to."""
    values.flags.writeable = False
    return values


def test_a_history_does_not_change_when_an_epoch_voids_adoptions_later() -> None:
    """The oracle walks with it in another thread."""
    log = told([])
    log.adopt(frozen(np.array([3.0, 7.0, 7.0, np.inf])), marked(1))
    history = log.history()
    log.record(5.0, marked(99))
    assert history.epoch_numbers(np.full(N, 8.0), np.arange(N)).tolist() == [1, 1, 1, 0]


def test_a_node_that_died_while_a_fault_kept_it_dark_is_dark_when_that_is_heard_of_after_the_fault() -> None:
    log = ForceLog()
    log.dark(1.0, 3)
    log.lit(2.0, 3)
    log.dark(1.5, 3)
    assert log.history().dark[3].hold(np.array([0.5, 1.2, 1.9, 2.5])).tolist() == [False, True, True, True]
    log.lit(3.0, 3)
    log.dark(4.0, 3)
    log.dark(3.9, 3)
    assert log.history().dark[3].hold(np.array([2.5, 3.5, 3.95, 4.5])).tolist() == [True, False, True, True]
