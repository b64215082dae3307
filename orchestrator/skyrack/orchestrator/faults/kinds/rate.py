"""rate: a link is no faster than this. What it may queue stays the same in bytes, so it may wait longer."""

from skyrack.orchestrator.faults.effect import Effect
from skyrack.orchestrator.faults.kinds.kind import Kind, Parameter
from skyrack.orchestrator.routing.condition import Condition

MOST_RATE_BPS = 1e15

KIND = Kind(
    name="rate",
    text="most that the link carries",
    acts_on="links",
    one_way=True,
    parameters=(Parameter("rate_bps", "rate in bit/s", above=0.0, most=MOST_RATE_BPS),),
    effect=lambda values, target: Effect(dict.fromkeys(target.ways, Condition(rate_bps=values["rate_bps"]))),
)
