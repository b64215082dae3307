"""Sets of bytes of a file, as spans [from, to) in order. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from operator import itemgetter

Span = tuple[int, int]
_FROM, _TO = itemgetter(0), itemgetter(1)


class Ranges:
    """Spans that neither touch nor overlap."""

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        self._spans: list[Span] = []
        for span in spans:
            self.add(*span)

    def __iter__(self) -> Iterator[Span]:
        return iter(self._spans)

    def __bool__(self) -> bool:
        return bool(self._spans)

    def add(self, start: int, end: int) -> None:
        """Put [start, end) in."""
        if start >= end:
            return
        first = bisect_left(self._spans, start, key=_TO)
        last = bisect_right(self._spans, end, key=_FROM)
        if first < last:
            start = min(start, self._spans[first][0])
            end = max(end, self._spans[last - 1][1])
        self._spans[first:last] = [(start, end)]

    def remove(self, start: int, end: int) -> None:
        """Take [start, end) out."""
        first = bisect_right(self._spans, start, key=_TO)
        last = bisect_left(self._spans, end, key=_FROM)
        rest = [piece for a, b in self._spans[first:last] for piece in ((a, min(b, start)), (max(a, end), b))]
        if start < end:
            self._spans[first:last] = [(a, b) for a, b in rest if a < b]

    def cut(self, end: int) -> None:
        """Take out all from `end` on."""
        if self._spans and self._spans[-1][1] > end:
            self.remove(end, self._spans[-1][1])

    def missing(self, start: int, end: int) -> list[Span]:
        """What of [start, end) is not in."""
        gaps = []
        for a, b in self._spans[bisect_right(self._spans, start, key=_TO) :]:
            if a >= end:
                break
            if start < a:
                gaps.append((start, a))
            start = b
        return [*gaps, (start, end)] if start < end else gaps

    def common(self, other: Ranges) -> Ranges:
        """What is in both."""
        both = Ranges()
        for a, b in other:
            for c, d in self._spans[bisect_right(self._spans, a, key=_TO) :]:
                if c >= b:
                    break
                both.add(max(a, c), min(b, d))
        return both
