"""What the world sends beside the nodes' own packets."""

from .base import Number, Section, Whole, key


class Background(Section):
    """Traffic between ground stations by a gravity model: bytes that are accounted in the links' queues, not carried.

    A pair sends in proportion to population x population / distance^distance_exponent.
    """

    rate_bps: Number = key(
        "What all ground stations together send to each other, in emulated bits; 0: nothing.",
        unit="bit/s",
        source="D: an idle mesh",
        default=0.0,
        ge=0,
        le=1e18,
    )
    distance_exponent: Number = key(
        "How much less a pair that is farther apart sends; 0: distance does not matter.",
        unit="power",
        source="D: between 0 and Newton's 2",
        default=1.0,
        ge=0,
        le=4,
    )
    variation: Number = key(
        "How much the directions differ from the model: each is multiplied by exp(variation x N(0, 1)), drawn by the "
        "seed.",
        unit="ratio",
        source="D",
        default=0.3,
        ge=0,
        le=3,
    )
    quanta_per_s: Whole = key(
        "How many portions all of it is sent in: more are smoother and cost more CPU time.",
        unit="1/s",
        source="D: about 2 % of a core at 8 hops a portion",
        default=1000,
        ge=1,
        le=100_000,
    )
