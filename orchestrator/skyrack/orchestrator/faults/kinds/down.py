"""down: a laser or ground link is dark. Nobody planned it: routing notices after the detection time."""

from skyrack.orchestrator.faults.effect import Effect
from skyrack.orchestrator.faults.kinds.kind import Kind
from skyrack.orchestrator.routing.condition import Condition

KIND = Kind(
    name="down",
    text="the link is dark",
    acts_on="links",
    one_way=False,
    parameters=(),
    effect=lambda values, target: Effect(dict.fromkeys(target.ways, Condition(down=True))),
)
