"""Rates by pairs of transfers: the delay cancels, a changed path is tried again, and the guilty link is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from skyrack.orchestrator.measure.bulk import Sent
from skyrack.orchestrator.measure.rate_rows import Pair, way_rows
from skyrack.orchestrator.measure.rate_run import PATH_CHANGED, RateRun

DELAY_S = 0.05
RATE_BPS = 1e9


class Mesh:
    """Links of RATE_BPS but for those in `slow`; `changes` paths are found changed before they are as expected."""

    def __init__(self, paths: dict[Pair, tuple[str, ...]], slow: dict[Pair, float] | None = None) -> None:
        self.paths = paths | {(b, a): path[::-1] for (a, b), path in paths.items()}
        self.slow = slow or {}
        self.changes = 0
        self.kept_ratio = 1.0
        self.sent: list[tuple[Pair, int]] = []

    def expect(self, pairs: Sequence[Pair]) -> list[dict[str, Any]]:
        return [
            {
                "rtt_s": 0.1,
                "path": list(self.paths[p]),
                "slowest_bps": RATE_BPS,
                "kept_ratio": self.kept_ratio,
            }
            for p in pairs
        ]

    def send(self, pair: Pair, size_bytes: int) -> Sent:
        self.sent.append((pair, size_bytes))
        path = self.paths[pair]
        if self.changes:
            self.changes -= 1
            path = (pair[0], "elsewhere", pair[1])
        rate_bps = min([RATE_BPS, *(self.slow[way] for way in pairwise(path) if way in self.slow)])
        took_s = DELAY_S + size_bytes * 8 / rate_bps
        return Sent(f"{pair[0]}>{pair[1]}", size_bytes, size_bytes, 0, 1.0, took_s, took_s, path, None)

    def measured(self) -> dict[str, bool | None]:
        forward = {pair: path for pair, path in self.paths.items() if pair[0] < pair[1]}
        run = RateRun(self.expect, self.send, 1, lambda: False, lambda done, total: None)
        return {row.name: row.ok for row in way_rows(run.run(forward))}


def test_the_delay_cancels_and_both_directions_of_every_link_are_told() -> None:
    mesh = Mesh({("a", "c"): ("a", "b", "c")})
    assert mesh.measured() == {"a>b": True, "b>c": True, "b>a": True, "c>b": True}
    assert len(mesh.sent) == 6


def test_a_slow_link_is_told_from_those_beside_it_by_another_path() -> None:
    mesh = Mesh({("a", "d"): ("a", "b", "c", "d"), ("a", "c"): ("a", "b", "c")}, {("c", "d"): 5e8})
    assert [name for name, ok in mesh.measured().items() if not ok] == ["c>d"]


def test_a_path_that_changed_between_question_and_transfer_is_tried_again() -> None:
    mesh = Mesh({("a", "b"): ("a", "b")})
    mesh.changes = 1
    assert mesh.measured()["a>b"] is True


def test_a_way_that_changes_while_the_long_transfer_is_under_way_is_no_wrong_rate() -> None:
    """Path and rate stay the same, the delay does not: five milliseconds more from the second transfer on."""
    mesh = Mesh({("a", "b"): ("a", "b")})

    def send(pair: Pair, size_bytes: int) -> Sent:
        sent = mesh.send(pair, size_bytes)
        assert sent.took_s is not None
        return replace(sent, took_s=sent.took_s + (5e-3 if len(mesh.sent) in (2, 3) else 0.0))

    run = RateRun(mesh.expect, send, 1, lambda: False, lambda done, total: None)
    assert {row.ok for row in way_rows(run.run({("a", "b"): ("a", "b")}))} == {True}


def test_a_path_that_never_is_as_expected_is_not_judged() -> None:
    mesh = Mesh({("a", "b"): ("a", "b")})
    mesh.changes = 1000
    run = RateRun(mesh.expect, mesh.send, 1, lambda: False, lambda done, total: None)
    assert {crossing.note for crossing in run.run({("a", "b"): ("a", "b")})} == {PATH_CHANGED}


def test_lossy_paths_are_left_to_packet_trains() -> None:
    mesh = Mesh({("a", "b"): ("a", "b")})
    mesh.kept_ratio = 0.9
    assert mesh.measured() == {"a>b": None, "b>a": None}
    assert not mesh.sent


@pytest.mark.parametrize("stopped_after", [0, 1])
def test_nothing_more_is_sent_once_the_user_has_had_enough(stopped_after: int) -> None:
    mesh = Mesh({("a", "b"): ("a", "b"), ("a", "c"): ("a", "b", "c"), ("b", "d"): ("b", "c", "d")})
    asked = iter(range(1000))
    run = RateRun(mesh.expect, mesh.send, 1, lambda: next(asked) >= stopped_after, lambda done, total: None)
    run.run({("a", "b"): ("a", "b")})
    assert not mesh.sent
