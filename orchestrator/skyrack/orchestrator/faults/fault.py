"""One fault: what it does, to whom, from when until when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from skyrack.orchestrator.faults.effect import Effect
from skyrack.orchestrator.faults.targets import Selection, Target


@dataclass(frozen=True, slots=True)
class Pulse:
    """Of every `period_s` from its beginning on a fault acts for the first `on_s`."""

    period_s: float
    on_s: float


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a fault that goes through several, one after the other. `for_s`: infinite for good.

    `orbit`: it is orbit time, divided by the speed in force when the stage begins; else real time. While the orbits are
    paused it is real time too.
    """

    name: str
    effect: Effect
    for_s: float
    orbit: bool


@dataclass(frozen=True, slots=True)
class Draft:
    """A fault that nobody has given a time yet. `for_s`: how long, infinite for until further notice.

    `values`: the kind's parameters, in SI units. `cause`: who wants it. `selection`: what was asked for, drawn already.
    `stages`: those to come where it has any; `effect` is that of the stage it is in, nothing before the first.
    """

    kind: str
    target: Target
    values: Mapping[str, float]
    effect: Effect
    for_s: float
    cause: str
    pulse: Pulse | None = None
    selection: Selection = field(default_factory=Selection)
    stages: tuple[Stage, ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """A draft that acts over [since_s, until_s) of run time."""

    id: str
    draft: Draft
    since_s: float
    until_s: float


@dataclass(frozen=True, slots=True)
class Planned:
    """A draft that is to begin at a run second, decided before the run."""

    at_s: float
    draft: Draft
