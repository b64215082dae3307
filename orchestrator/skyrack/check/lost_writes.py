"""No acknowledged write lost, for registers: nobody reads something older behind a write that left no trace."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from heapq import heappop, heappush

from skyrack.check.pairs import Pair, broken
from skyrack.check.report import Check
from skyrack.check.versions import CHANGING, Versions, by_key, observed, observes
from skyrack.check.words import count, what
from skyrack.history import Operation

NAME = "no acknowledged write lost"
_MOST_LISTED = 10


def lost_writes(operations: Sequence[Operation]) -> Check:
    """Acknowledged writes behind which an older value was read, and which left no trace afterwards.

    A read gives something *older* than a write if every write of what it gives had ended before that one began. If the
    written value, or one that may have replaced it before that read, is seen at the read's begin or later, then the read was
    stale and the write not lost: that is counted, and judged by linearizability.
    """
    acknowledged = stale = 0
    losses: list[Pair] = []
    for of_key in by_key(operations).values():
        writes = [write for write in of_key if write.f in CHANGING and write.outcome == "ok"]
        acknowledged += len(writes)
        found, stale_reads = _of_key(of_key, writes)
        losses += found
        stale += stale_reads
    figures = {"acknowledged": acknowledged, "lost": len(losses), "stale_reads": stale}
    stale_text = f", {count(stale, 'stale read')}" if stale else ""
    if not losses:
        text = f"{count(acknowledged, 'acknowledged write')}, 0 lost{stale_text}"
        return Check(NAME, "ok", text, (), figures)
    losses.sort(key=lambda loss: loss[0].invoked_s)
    headline = f"{len(losses):,} lost of {count(acknowledged, 'acknowledged write')}{stale_text}"
    return broken(NAME, headline, losses, "but later", figures, also=_also)


def _also(lost: Sequence[Operation]) -> str:
    listed = ", ".join(f"#{write.index} {what(write)}" for write in lost[:_MOST_LISTED])
    return f"also lost: {listed}{' and more' if len(lost) > _MOST_LISTED else ''}"


def _of_key(operations: list[Operation], writes: list[Operation]) -> tuple[list[Pair], int]:
    """Lost writes of one key, and how many reads were stale."""
    versions = Versions(operations)
    observations = [operation for operation in operations if observes(operation)]
    begins_s = [operation.invoked_s for operation in observations]
    ends_s = [versions.latest_end_s(observed(operation), operation.completed_s) for operation in observations]
    misses_s = _misses(observations, ends_s, versions)
    # From each observation on, the one that misses the oldest writes.
    worst: list[int] = [0] * len(observations)
    for i in range(len(observations) - 1, -1, -1):
        later = worst[i + 1] if i + 1 < len(observations) else i
        worst[i] = i if misses_s[i] <= misses_s[later] else later
    losses = []
    for write in writes:
        after = bisect_right(begins_s, write.completed_s)
        if after < len(worst) and misses_s[worst[after]] < write.invoked_s:
            losses.append((write, observations[worst[after]]))
    return losses, _stale(observations, ends_s, writes)


def _misses(observations: list[Operation], ends_s: list[float], versions: Versions) -> list[float]:
    """For each observation, since when writes are missing: those that began later and had ended before it.

    What it saw had been written by `ends_s`. Of values that are seen at its begin or later, those count of whose writes some
    began before it: one of these may have been in force all the time, and what it had replaced is not missing.
    """
    misses_s = [0.0] * len(observations)
    traces: list[tuple[float, float]] = []  # writes of what is seen later: minus their latest end, begin
    known: set[object] = set()
    left = len(observations)
    for i in range(len(observations) - 1, -1, -1):
        begin_s = observations[i].invoked_s
        while left and observations[left - 1].invoked_s >= begin_s:
            left -= 1
            value = observed(observations[left])
            if value not in known:
                known.add(value)
                for write_begin_s, write_end_s in versions.written(value):
                    heappush(traces, (-write_end_s, write_begin_s))
        while traces and traces[0][1] > begin_s:
            heappop(traces)  # nor had it begun for earlier observations
        misses_s[i] = max(ends_s[i], -traces[0][0] if traces else -math.inf)
    return misses_s


def _stale(observations: list[Operation], ends_s: list[float], writes: list[Operation]) -> int:
    """Observations older than some write that had been acknowledged before they were asked for."""
    acknowledged = sorted(writes, key=lambda write: write.completed_s)
    latest_begin_s, position, found = -math.inf, 0, 0
    for observation, end_s in zip(observations, ends_s, strict=True):
        while position < len(acknowledged) and acknowledged[position].completed_s < observation.invoked_s:
            latest_begin_s = max(latest_begin_s, acknowledged[position].invoked_s)
            position += 1
        found += end_s < latest_begin_s
    return found
