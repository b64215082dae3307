"""Satellites that are out of service for good, as far as is known: lost or retired, until somebody repairs or removes that."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

from skyrack.orchestrator.faults.fault import Draft, Fault

Span = tuple[float, float]  # of orbit time

_WORDS: Final = {"lost": "lost", "retire": "retired"}  # by kind of fault
_MATTERS: Final = {*_WORDS, "repair"}


class Gone:
    """Follows a ledger. `now`: who is gone, in a word, by node. `spans`: since when and until when each was, by node.

    A span begins right after the instant and is never changed but by its end: what happens at the instant itself, such as what
    the satellite was lost to, does happen.
    """

    def __init__(self) -> None:
        self.now: Mapping[int, str] = {}
        self.spans: Mapping[int, tuple[Span, ...]] = {}

    def follow(self, begun: Iterable[Fault], t_s: float) -> bool:
        """`begun`: all faults that act from orbit time `t_s` on. Whether others are gone than before."""
        now = {
            node: word
            for fault in begun
            if (word := _WORDS.get(fault.draft.kind)) is not None
            for node in fault.draft.effect.dark
        }
        left, back = now.keys() - self.now.keys(), self.now.keys() - now.keys()
        self.now = now
        at_t_s = round(t_s, 6)  # as it was before run time and back
        spans = dict(self.spans)
        for node in left:
            spans[node] = *spans.get(node, ()), (math.nextafter(at_t_s, math.inf), math.inf)
        for node in back:
            *before, (first_t_s, _) = spans[node]
            spans[node] = *before, (first_t_s, at_t_s)
        self.spans = spans
        return bool(left or back)


def matters(draft: Draft) -> bool:
    """Whether `Gone` has to hear that it begins, ends, or comes to another stage."""
    return draft.kind in _MATTERS
