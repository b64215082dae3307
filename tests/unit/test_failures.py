"""Failed nodes take their links with them, failed links only themselves."""

import numpy as np

from skyrack.orchestrator.routing.paths import path_of
from skyrack.orchestrator.scenario import load_scenario
from skyrack.orchestrator.topology.failures import NO_FAILURES, Failures, union
from skyrack.orchestrator.topology.geometry import Geometry

A, B = np.array([0, 0, 1, 2], np.int32), np.array([1, 2, 2, 3], np.int32)


def test_only_what_has_failed_is_out_of_service() -> None:
    assert NO_FAILURES.spare(A, B).all()
    assert Failures(nodes=frozenset({2})).spare(A, B).tolist() == [True, False, False, False]
    assert Failures(links=frozenset({(0, 2)})).spare(A, B).tolist() == [True, False, True, True]
    assert Failures(frozenset({3}), frozenset({(0, 1)})).spare(A, B).tolist() == [False, True, True, False]


def test_what_is_taken_away_and_put_together_is_what_was_there() -> None:
    some = Failures(frozenset({1}), frozenset({(0, 2)}), frozenset({3}))
    other = Failures(nodes=frozenset({2}))
    both = union((some, other))
    assert both.without(other) == some
    assert some.within(both)
    assert not both.within(some)
    assert union(both.parts()) == both


def test_ways_lead_to_a_drained_node_and_around_it_and_through_it_where_there_is_no_other() -> None:
    geometry = Geometry(load_scenario("iridium"))
    london, tokyo = geometry.index_of("london"), geometry.index_of("tokyo")
    path = path_of(geometry.epoch(0.0), london, tokyo)
    assert path is not None
    middle, first = path[3], path[1]
    around = path_of(geometry.epoch(0.0, Failures(drained=frozenset({middle}))), london, tokyo)
    assert around is not None
    assert middle not in around
    assert Failures(drained=frozenset({middle})).spare(A, B).all()
    drained = frozenset(range(geometry.n_sat)) - {first}
    assert path_of(geometry.epoch(0.0, Failures(drained=drained)), london, tokyo) is not None
