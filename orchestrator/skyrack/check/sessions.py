"""What a single process of a register may expect: reads that do not go back, and its own writes."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from skyrack.check.pairs import Pair, broken
from skyrack.check.report import Check
from skyrack.check.versions import CHANGING, Versions, by_key, observed, observes
from skyrack.check.words import count
from skyrack.history import Operation

MONOTONIC = "monotonic reads"
OWN_WRITES = "read your writes"
_MOST_SHOWN = 3


@dataclass
class _Session:
    """The newest a process has seen and written of a key: from when on that can have been there, and who says so."""

    seen_s: float = -math.inf
    seen: Operation | None = None
    wrote_s: float = -math.inf
    wrote: Operation | None = None


@dataclass
class _Found:
    judged: int = 0
    pairs: list[Pair] = field(default_factory=list)

    def check(self, name: str, wrong: str) -> Check:
        figures = {"judged": self.judged, "violations": len(self.pairs)}
        if not self.pairs:
            return Check(name, "ok", f"{count(self.judged, 'observation')} judged", (), figures)
        headline = f"{len(self.pairs):,} of {count(self.judged, 'observation')} {wrong}"
        return broken(name, headline, self.pairs, "but later", figures, most=_MOST_SHOWN)


def session_checks(operations: Sequence[Operation]) -> list[Check]:
    """Monotonic reads and read your writes, per process and key.

    Something is older if all its writes had ended before the other began, so values that were written at the same time
    are not judged: what is found is certain, what is not found is not proven.
    """
    monotonic, own = _Found(), _Found()
    for of_key in by_key(operations).values():
        versions = Versions(of_key)
        sessions: defaultdict[int, _Session] = defaultdict(_Session)
        for operation in of_key:
            session = sessions[operation.process]
            if observes(operation):
                value = observed(operation)
                end_s = versions.latest_end_s(value, operation.completed_s)
                if session.seen is not None:
                    monotonic.judged += 1
                    if end_s < session.seen_s:
                        monotonic.pairs.append((session.seen, operation))
                if session.wrote is not None:
                    own.judged += 1
                    if end_s < session.wrote_s:
                        own.pairs.append((session.wrote, operation))
                begin_s = versions.earliest_begin_s(value)
                if begin_s > session.seen_s or session.seen is None:
                    session.seen_s, session.seen = begin_s, operation
            if operation.f in CHANGING and operation.outcome == "ok":
                session.wrote_s, session.wrote = operation.invoked_s, operation
    return [
        monotonic.check(MONOTONIC, "went back to something older"),
        own.check(OWN_WRITES, "are older than what their process had written"),
    ]
