"""What a kind of fault is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from skyrack.orchestrator.faults.effect import Effect
from skyrack.orchestrator.faults.fault import Pulse
from skyrack.orchestrator.faults.targets import Target


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that a fault of the kind needs, by its key in a request: above `above`, at most `most`.

    `default`: taken where a request does not say; without one it has to.
    """

    key: str
    text: str
    above: float
    most: float
    default: float | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault. `one_way`: it may act on one direction alone, of a link or between two sides.

    `acts_on` says what a selected node means: its links, itself, all that runs there (or one service, as NODE/SERVICE), or
    a side of a partition; or it acts on parts of the run itself. `effect` gets the parameters' values and the target.
    `at_once`: it is done when it begins and does not last. `pulse`: it comes and goes.
    """

    name: str
    text: str
    acts_on: Literal["links", "nodes", "places", "sides", "parts"]
    one_way: bool
    parameters: tuple[Parameter, ...]
    effect: Callable[[Mapping[str, float], Target], Effect]
    at_once: bool = False
    pulse: Callable[[Mapping[str, float]], Pulse] | None = None
