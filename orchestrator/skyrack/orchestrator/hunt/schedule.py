"""A schedule: where in the orbit a load begins, for how long, with which seed, and which faults it meets.

Times of faults are whole tenths of a second from the start of the load, so that the same schedule is the same text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

PER_S = 10  # tenths
_FIRST = re.compile(r"[/,|>]")
_WORD = re.compile(r"([^:@]+):([^:@]+)(?::([^@]+))?@([0-9.]+)s(?:\+([0-9.]+)s)?")


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One fault. Times in tenths of a second; `for_ds` 0: it has no end of its own. `value` "": the kind has none."""

    at_ds: int
    kind: str
    target: str
    value: str = ""
    for_ds: int = 0

    @property
    def end_ds(self) -> int:
        """When it ends."""
        return self.at_ds + self.for_ds

    @property
    def node(self) -> str:
        """The node it acts on, the first of several; a link where it acts on one."""
        return _FIRST.split(self.target, maxsplit=1)[0]

    @property
    def word(self) -> str:
        """As `skyrack load --fault` takes it: KIND:TARGET[:VALUE]@BEGIN[+DURATION]."""
        value = f":{self.value}" if self.value else ""
        span = f"+{_seconds(self.for_ds)}" if self.for_ds else ""
        return f"{self.kind}:{self.target}{value}@{_seconds(self.at_ds)}{span}"

    @classmethod
    def of(cls, word: str) -> Fault:
        """The fault that `word` wrote. Raises ValueError."""
        match = _WORD.fullmatch(word)
        if match is None:
            raise ValueError(f"{word!r} is not a fault of a schedule: expected KIND:TARGET[:VALUE]@1.5s[+2s]")
        kind, target, value, at, span = match.groups()
        return cls(_tenths(at), kind, target, value or "", _tenths(span or "0"))


@dataclass(frozen=True, slots=True)
class Schedule:
    """`start_s`: seconds of orbit from the scenario's start to the load's; `span_s`: of load; `seed`: of its operations."""

    start_s: int
    span_s: int
    seed: int
    faults: tuple[Fault, ...] = ()

    def with_faults(self, faults: Iterable[Fault]) -> Schedule:
        """The same with other faults, each once, in order of time."""
        return replace(self, faults=tuple(sorted(set(faults))))

    @property
    def words(self) -> tuple[str, ...]:
        """Its faults as words."""
        return tuple(fault.word for fault in self.faults)

    @property
    def end_ds(self) -> int:
        """When its last fault has ended; 0 without faults."""
        return max((fault.end_ds for fault in self.faults), default=0)

    def as_json(self) -> dict[str, Any]:
        """As JSON values; `of_json` reads them."""
        return {
            "start_s": self.start_s,
            "span_s": self.span_s,
            "seed": self.seed,
            "faults": list(self.words),
        }

    @classmethod
    def of_json(cls, data: Mapping[str, Any]) -> Schedule:
        """The schedule that `as_json` wrote. Raises ValueError, KeyError."""
        faults = tuple(Fault.of(word) for word in data["faults"])
        return cls(data["start_s"], data["span_s"], data["seed"], faults)


def _seconds(tenths: int) -> str:
    whole, rest = divmod(tenths, PER_S)
    return f"{whole}.{rest}s" if rest else f"{whole}s"


def _tenths(text: str) -> int:
    return round(float(text) * PER_S)
