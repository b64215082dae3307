"""loss: a share of packets is lost at random, beside those that the scenario's links lose."""

from skyrack.orchestrator.faults.effect import Effect
from skyrack.orchestrator.faults.kinds.kind import Kind, Parameter
from skyrack.orchestrator.routing.condition import Condition

KIND = Kind(
    name="loss",
    text="share of packets that the link loses",
    acts_on="links",
    one_way=True,
    parameters=(Parameter("loss_ratio", "share of packets to lose", above=0.0, most=1.0, option="ratio"),),
    effect=lambda values, target: Effect(
        dict.fromkeys(target.ways, Condition(loss_ratio=values["loss_ratio"]))
    ),
)
