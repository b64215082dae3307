"""How next hops are chosen."""

from typing import Literal

from .base import Number, Section, Whole, key


class LoadAware(Section):
    """How strategy load-aware weighs what links carry.

    A direction of a link costs its delay plus weight_ms u / (1 - u), u the share of its rate in use, 0.95 at most.
    """

    weight_ms: Number = key(
        "Cost of a link that is half in use, beside its delay.",
        unit="ms",
        source="D",
        default=5.0,
        ge=0,
        le=10_000,
    )
    margin_ratio: Number = key(
        "A tree is replaced when some pair of nodes gains more than this; twice as much after each time.",
        unit="ratio",
        source="D",
        default=0.1,
        ge=0,
        le=10,
    )
    stagger: Whole = key(
        "Trees take turns: one in so many is looked at per epoch.",
        unit="count",
        source="D",
        default=4,
        ge=1,
        le=1000,
    )


class Routing(Section):
    """Which strategy chooses next hops, and its keys."""

    strategy: Literal["ephemeris", "static", "load-aware"] = key(
        "ephemeris (shortest delay), static (Manhattan on the grid, never around what has failed), or load-aware "
        "(delay and load).",
        source="D: planned changes are known to all",
        default="ephemeris",
    )
    ground_transit: Literal["fibre", "never", "always"] = key(
        "Which of those on the ground forward for others: fibre (points of presence, and ground stations that have "
        "fibre), never (none), always (every ground station and point of presence). User terminals never do.",
        source="D: a station with fibre is a router between it and the sky",
        default="fibre",
    )
    static_order: Literal["planes-first", "slots-first"] = key(
        "Whether static crosses planes first or moves along its own first.",
        source="D",
        default="planes-first",
    )
    load_aware: LoadAware = key("Keys of load-aware.", default=LoadAware())
