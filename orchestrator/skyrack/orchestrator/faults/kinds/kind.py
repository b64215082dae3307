"""What a kind of fault is made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from skyrack.orchestrator.faults.effect import Effect
from skyrack.orchestrator.faults.fault import Pulse, Stage
from skyrack.orchestrator.faults.targets import Target

# How people write a number, by the end of its key.
_SORTS: Final = {"s": "span", "bps": "rate", "ratio": "ratio", "draw": "whole", "factor": "factor"}
_EXAMPLES: Final = {"span": "200ms", "rate": "10Mbit", "ratio": "5%", "whole": "7", "factor": "100"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that a fault of the kind needs, by its key in a request: above `above`, or `inclusive` at least that, at most
    `most`.

    `default`: taken where a request does not say; without one it has to, unless it is `drawn` then. On the command line it
    is --`option`, without one the key without its unit; `example` is what one may write there.
    """

    key: str
    text: str
    above: float
    most: float
    default: float | None = None
    option: str = ""
    example: str = ""
    drawn: bool = False
    inclusive: bool = False

    @property
    def needed(self) -> bool:
        """Whether a request has to say it."""
        return self.default is None and not self.drawn

    @property
    def bounds(self) -> str:
        """Which values it may have, in words."""
        return f"{'at least' if self.inclusive else 'above'} {self.above:g} and at most {self.most:g}"

    def allows(self, value: float) -> bool:
        """Whether it may have that value."""
        return self.above < value <= self.most or (self.inclusive and value == self.above)

    @property
    def sort(self) -> str:
        """span, rate, ratio, whole or factor: how people write it."""
        return _SORTS[self.key.rpartition("_")[2]]

    @property
    def flag(self) -> str:
        """Its option, without dashes."""
        return self.option or self.key.rpartition("_")[0].replace("_", "-") or self.key

    @property
    def shown(self) -> str:
        """A value that one may write."""
        return self.example or _EXAMPLES[self.sort]


# What an upset hits is decided when it does: by this number, and by what is there then.
DRAW: Final = Parameter(
    "draw",
    "number that decides what is hit, the same in the same state",
    above=0.0,
    most=999_999.0,
    drawn=True,
)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault. `one_way`: it may act on one direction alone, of a link or between two sides.

    `acts_on` says what a selected node means: its links, its lasers across to other planes, itself, itself in orbit and not on
    the ground, all that runs there (or one service, as NODE/SERVICE), or a side of a partition; or it acts on parts of the run
    itself. `effect` gets the parameters' values and the target. `at_once`: it is done when it begins and does not last.
    `pulse`: it comes and goes. `for_s`: how long it lasts where nobody says; None is until somebody ends it, infinite for good,
    two are the bounds of what is drawn. `bare`: of what acts on places, it may be had of satellites without a process too.
    `planned`: routes know what of links it takes before it does, where it was entered in time. `stages`: what it goes through,
    which says how long it lasts. `final`: no repair brings back what it has taken.
    """

    name: str
    text: str
    acts_on: Literal["links", "across", "nodes", "satellites", "places", "sides", "parts"]
    one_way: bool
    parameters: tuple[Parameter, ...]
    effect: Callable[[Mapping[str, float], Target], Effect]
    at_once: bool = False
    pulse: Callable[[Mapping[str, float]], Pulse] | None = None
    for_s: float | tuple[float, float] | None = None
    bare: bool = False
    planned: bool = False
    stages: Callable[[Mapping[str, float], Target], tuple[Stage, ...]] | None = None
    final: bool = False

    @property
    def timed(self) -> bool:
        """Whether one may say how long it lasts."""
        return not self.at_once and self.stages is None

    @property
    def lasts(self) -> str:
        """How long where nobody says, in words."""
        if self.at_once:
            return "at once"
        if self.for_s is None:
            return "until removed" if self.stages is None else "its stages"
        if isinstance(self.for_s, tuple):
            return f"{self.for_s[0]:g} to {self.for_s[1]:g} s"
        return f"{self.for_s:g} s" if self.for_s < math.inf else "for good"
