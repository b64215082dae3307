"""latency: light takes longer, by a constant. What is on its way already is not touched."""

from skyrack.orchestrator.faults.effect import Effect
from skyrack.orchestrator.faults.kinds.kind import Kind, Parameter
from skyrack.orchestrator.routing.condition import Condition

MOST_EXTRA_S = 600.0

KIND = Kind(
    name="latency",
    text="added to the link's delay",
    acts_on="links",
    one_way=True,
    parameters=(Parameter("extra_s", "delay to add", above=0.0, most=MOST_EXTRA_S),),
    effect=lambda values, target: Effect(dict.fromkeys(target.ways, Condition(extra_s=values["extra_s"]))),
)
