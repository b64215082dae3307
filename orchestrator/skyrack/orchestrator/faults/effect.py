"""What faults do, and how those that act on the same link go together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from skyrack.orchestrator.faults.hold import Hold, Place
from skyrack.orchestrator.routing.condition import Condition

Way = tuple[int, int]  # one direction of a link: from node, to node
Part = Literal["broker", "fabric", "orchestrator"]  # of the run itself


@dataclass(frozen=True, slots=True)
class Cut:
    """Whatever nodes of `sources` send to nodes of `targets` is lost on the way, whichever way that is."""

    sources: frozenset[int]
    targets: frozenset[int]


@dataclass(frozen=True, slots=True)
class Effect:
    """Conditions of directions of links, and nodes whose lasers and radios are off. A new sort of effect is a field here.

    `holds` act on places and `cuts` on pairs of nodes for as long as the fault does; `kills` (places) and `ends` (parts of
    the run) are done once, when it begins.
    """

    links: Mapping[Way, Condition] = field(default_factory=dict)
    dark: frozenset[int] = frozenset()
    holds: Mapping[Place, Hold] = field(default_factory=dict)
    cuts: tuple[Cut, ...] = ()
    kills: frozenset[Place] = frozenset()
    ends: frozenset[Part] = frozenset()


def compose(conditions: Iterable[Condition]) -> Condition:
    """All of them at once: delays add, the least rate holds, losses are independent, down wins.

    The order does not matter, to the last bit.
    """
    every = list(conditions)
    losses = sorted(c.loss_ratio for c in every if c.loss_ratio is not None)
    kept = math.prod(1.0 - loss for loss in losses)
    return Condition(
        extra_s=math.fsum(c.extra_s for c in every),
        rate_bps=min((c.rate_bps for c in every if c.rate_bps is not None), default=None),
        # One loss is itself, not what 1 - (1 - loss) rounds to.
        loss_ratio=losses[0] if len(losses) == 1 else (1.0 - kept if losses else None),
        down=any(c.down for c in every),
    )
