"""Failed nodes take their links with them, failed links only themselves."""

import numpy as np

from skyrack.orchestrator.topology.failures import NO_FAILURES, Failures

A, B = np.array([0, 0, 1, 2], np.int32), np.array([1, 2, 2, 3], np.int32)


def test_only_what_has_failed_is_out_of_service() -> None:
    assert NO_FAILURES.spare(A, B).all()
    assert Failures(nodes=frozenset({2})).spare(A, B).tolist() == [True, False, False, False]
    assert Failures(links=frozenset({(0, 2)})).spare(A, B).tolist() == [True, False, True, True]
    assert Failures(frozenset({3}), frozenset({(0, 1)})).spare(A, B).tolist() == [False, True, True, False]
