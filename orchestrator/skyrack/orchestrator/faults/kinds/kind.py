"""What a kind of fault is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from skyrack.orchestrator.faults.effect import Effect
from skyrack.orchestrator.faults.fault import Pulse, Stage
from skyrack.orchestrator.faults.targets import Target

# How people write a number, by the end of its key.
_SORTS: Final = {"s": "span", "bps": "rate", "ratio": "ratio"}
_EXAMPLES: Final = {"span": "200ms", "rate": "10Mbit", "ratio": "5%"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that a fault of the kind needs, by its key in a request: above `above`, at most `most`.

    `default`: taken where a request does not say; without one it has to. On the command line it is --`option`, without
    one the key without its unit; `example` is what one may write there.
    """

    key: str
    text: str
    above: float
    most: float
    default: float | None = None
    option: str = ""
    example: str = ""

    @property
    def sort(self) -> str:
        """span, rate or ratio: how people write it."""
        return _SORTS[self.key.rpartition("_")[2]]

    @property
    def flag(self) -> str:
        """Its option, without dashes."""
        return self.option or self.key.rpartition("_")[0].replace("_", "-")

    @property
    def shown(self) -> str:
        """A value that one may write."""
        return self.example or _EXAMPLES[self.sort]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault. `one_way`: it may act on one direction alone, of a link or between two sides.

    `acts_on` says what a selected node means: its links, itself, all that runs there (or one service, as NODE/SERVICE), or
    a side of a partition; or it acts on parts of the run itself. `effect` gets the parameters' values and the target.
    `at_once`: it is done when it begins and does not last. `pulse`: it comes and goes. `for_s`: how long it lasts where
    nobody says; None is until somebody ends it, infinite for good. `bare`: of what acts on places, it may be had of satellites
    without a process too. `stages`: what it goes through, which says how long it lasts. `final`: no repair brings back what
    it has taken.
    """

    name: str
    text: str
    acts_on: Literal["links", "nodes", "places", "sides", "parts"]
    one_way: bool
    parameters: tuple[Parameter, ...]
    effect: Callable[[Mapping[str, float], Target], Effect]
    at_once: bool = False
    pulse: Callable[[Mapping[str, float]], Pulse] | None = None
    for_s: float | None = None
    bare: bool = False
    stages: Callable[[Mapping[str, float], Target], tuple[Stage, ...]] | None = None
    final: bool = False

    @property
    def timed(self) -> bool:
        """Whether one may say how long it lasts."""
        return not self.at_once and self.stages is None
