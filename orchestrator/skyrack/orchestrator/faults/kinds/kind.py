"""What a kind of fault is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from skyrack.orchestrator.faults.effect import Effect
from skyrack.orchestrator.faults.targets import Target


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that a fault of the kind needs, by its key in a request: above `above`, at most `most`."""

    key: str
    text: str
    above: float
    most: float


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault. `one_way`: it may act on one direction of a link alone.

    `acts_on` says what a selected node means: its links or itself. `effect` gets the parameters' values and the target.
    """

    name: str
    text: str
    acts_on: Literal["links", "nodes"]
    one_way: bool
    parameters: tuple[Parameter, ...]
    effect: Callable[[Mapping[str, float], Target], Effect]
