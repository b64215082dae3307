"""What faults do, and how those that act on the same link go together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from skyrack.orchestrator.faults.hold import Hold, Place
from skyrack.orchestrator.routing.condition import Condition
from skyrack.orchestrator.routing.cut import Cut as Cut

Way = tuple[int, int]  # one direction of a link: from node, to node
Part = Literal["broker", "fabric", "orchestrator"]  # of the run itself


@dataclass(frozen=True, slots=True)
class Upset:
    """What one particle does at a place, once: a bit of memory or of a file turned over, one process that crashes or hangs.

    `draw` decides to whom and where, together with what is there when it happens.
    """

    what: Literal["memory", "file", "crash", "hang"]
    draw: int


@dataclass(frozen=True, slots=True)
class Slip:
    """A bit of the payload of the next packet that a node sends or forwards is turned over; `fixed_ratio`: chance that its
    checksum is made right again. `draw` decides.
    """

    fixed_ratio: float
    draw: int


@dataclass(frozen=True, slots=True)
class Effect:
    """Conditions of directions of links, and nodes whose lasers and radios are off. A new sort of effect is a field here.

    `holds` act on places and `cuts` on pairs of nodes for as long as the fault does; `kills` (places) and `ends` (parts of
    the run) are done once, when it begins, and so are `upsets` of places and `slips` of nodes; who hangs by one of these goes
    on at the end. `radiation`: by how much the rates of radiation's outcomes are multiplied at nodes; `anomaly`: nodes over the
    South Atlantic Anomaly.
    """

    links: Mapping[Way, Condition] = field(default_factory=dict)
    dark: frozenset[int] = frozenset()
    holds: Mapping[Place, Hold] = field(default_factory=dict)
    cuts: tuple[Cut, ...] = ()
    kills: frozenset[Place] = frozenset()
    ends: frozenset[Part] = frozenset()
    upsets: Mapping[Place, Upset] = field(default_factory=dict)
    slips: Mapping[int, Slip] = field(default_factory=dict)
    radiation: Mapping[int, float] = field(default_factory=dict)
    anomaly: frozenset[int] = frozenset()


def compose(conditions: Iterable[Condition]) -> Condition:
    """All of them at once: delays add, the least rate holds, losses and damages are independent, down wins.

    The order does not matter, to the last bit.
    """
    every = list(conditions)
    return Condition(
        extra_s=math.fsum(c.extra_s for c in every),
        rate_bps=min((c.rate_bps for c in every if c.rate_bps is not None), default=None),
        loss_ratio=_any_of(c.loss_ratio for c in every),
        down=any(c.down for c in every),
        corrupt_ratio=_any_of(c.corrupt_ratio for c in every),
    )


def _any_of(ratios: Iterable[float | None]) -> float | None:
    """The chance of one mishap at least; None where there are no ratios."""
    some = sorted(ratio for ratio in ratios if ratio is not None)
    if len(some) < 2:  # one is itself, not what 1 - (1 - ratio) rounds to
        return some[0] if some else None
    return 1.0 - math.prod(1.0 - ratio for ratio in some)
