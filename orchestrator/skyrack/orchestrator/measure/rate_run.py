"""Measures the rates of links with declared transfers, which tell any rate exactly: their time is virtual.

A short, a long and another short transfer per path: what long and short differ by in size over what they differ by in time
is the rate, and the path's delay cancels. Where the two short ones do not agree, the way has changed in between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from skyrack.orchestrator.measure.bulk import Bulk, BulkRun, Sent
from skyrack.orchestrator.measure.rate_rows import Crossing, Pair, Way, cover, rounds

LONG_S = 0.05
SHORT_RATIO = 0.1
# A transfer over a slower link would take more than a second; packets tell such rates well.
LEAST_BPS = 1e6
LEAST_BYTES = 120_000  # of real packets: forty of the smallest quanta
TRIES = 4
TRIES_PER_PAIR = 2
MOST_MOVED = (
    0.002  # by how much the path's delay may change meanwhile, as a share of the time that tells the rate
)
PATH_CHANGED = "the path changed meanwhile"

Expect = Callable[[Sequence[Pair]], list[dict[str, Any]]]
Send = Callable[[Pair, int], Sent]


@dataclass(frozen=True, slots=True)
class Expected:
    """What a transfer is to meet."""

    path: tuple[str, ...]
    slowest_bps: float


class RateRun:
    """Transfers along few paths that together cross every way.

    `expect`: what a probe of each pair should meet now. `send`: carries out one transfer. `stopped`: whether the
    user has had enough. `progress`: how many paths are done, of how many.
    """

    def __init__(
        self,
        expect: Expect,
        send: Send,
        byte_scale: int,
        stopped: Callable[[], bool],
        progress: Callable[[int, int], None],
    ) -> None:
        self._expect = expect
        self._send = send
        self._byte_scale = byte_scale
        self._stopped = stopped
        self._progress = progress

    def run(self, paths: Mapping[Pair, Sequence[str]]) -> list[Crossing]:
        """Measure every way of `paths`; what does not hold is tried again along another path, to find which link it is."""
        both = dict(paths) | {(b, a): tuple(reversed(path)) for (a, b), path in paths.items()}
        wanted: set[Way] = {way for path in both.values() for way in pairwise(path)}
        found: list[Crossing] = []
        tried: Counter[Pair] = Counter()
        for _ in range(TRIES):
            pairs = cover(both, wanted)
            if not pairs or self._stopped():
                break
            crossed = self._along(pairs, len(found))
            found += crossed.values()
            wanted -= {way for crossing in found if crossing.holds for way in pairwise(crossing.path)}
            tried.update(crossed.keys())
            told = {
                pair for pair, crossing in crossed.items() if crossing.holds or tried[pair] == TRIES_PER_PAIR
            }
            both = {pair: path for pair, path in both.items() if pair not in told}
        return found

    def _along(self, pairs: Sequence[Pair], done: int) -> dict[Pair, Crossing]:
        """What each pair that has a way tells."""
        found: dict[Pair, Crossing] = {}
        fit: dict[Pair, Expected] = {}
        for pair, answer in zip(pairs, self._expect(pairs), strict=True):
            if answer["rtt_s"] is None:
                continue
            one = Expected(tuple(answer["path"]), answer["slowest_bps"])
            if why := _why_not(answer):
                found[pair] = Crossing(one.path, one.slowest_bps, None, why)
            else:
                fit[pair] = one
        for group in rounds({pair: one.path for pair, one in fit.items()}):
            if self._stopped():
                break
            with ThreadPoolExecutor(len(group), "rate") as pool:
                measured = pool.map(lambda pair: self._measure(pair, fit[pair]), group)
                found |= zip(group, measured, strict=True)
            self._progress(done + len(found), done + len(pairs))
        return found

    def _measure(self, pair: Pair, expected: Expected) -> Crossing:
        least = LEAST_BYTES * self._byte_scale
        size = max(least, round(expected.slowest_bps / 8 * LONG_S))
        small = round(size * SHORT_RATIO)
        first, long, last = (self._send(pair, each) for each in (small, size, small))
        for sent in (first, long, last):
            if sent.error is not None:
                return Crossing(expected.path, expected.slowest_bps, None, sent.error)
        assert first.took_s is not None
        assert long.took_s is not None
        assert last.took_s is not None
        longer_s = long.took_s - (first.took_s + last.took_s) / 2
        moved = abs(last.took_s - first.took_s) > MOST_MOVED * longer_s
        if moved or not first.path == long.path == last.path == expected.path:
            return Crossing(long.path, expected.slowest_bps, None, PATH_CHANGED)
        return Crossing(long.path, expected.slowest_bps, (size - small) * 8 / longer_s)


def sender(mesh_dir: Path) -> Send:
    """Transfers of a run that is up, asked of its nodes."""

    def send(pair: Pair, size_bytes: int) -> Sent:
        (sent,) = BulkRun(Bulk((pair,), size_bytes, 1, 1, None), mesh_dir).run()
        return sent

    return send


def _why_not(answer: Mapping[str, Any]) -> str:
    """Why a transfer would not tell the rate of a path; empty where it does."""
    if answer["kept_ratio"] != 1.0:
        return "lost packets are sent again, so that transfers take longer than the rate says"
    if answer["slowest_bps"] < LEAST_BPS:
        return f"below {LEAST_BPS / 1e6:g} Mbit/s a packet train tells it"
    return ""
