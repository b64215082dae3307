"""corrupt: a bit of a share of packets is turned over behind the IP header, got past the link's own frame check.

The checksum of TCP, UDP and ICMP finds it at the receiver. What a frame check would find is lost at the link: kind `loss`.
"""

from skyrack.orchestrator.faults.effect import Effect
from skyrack.orchestrator.faults.kinds.kind import Kind, Parameter
from skyrack.orchestrator.routing.condition import Condition

KIND = Kind(
    name="corrupt",
    text="share of packets that the link damages",
    acts_on="links",
    one_way=True,
    parameters=(
        Parameter("corrupt_ratio", "share of packets to damage", above=0.0, most=1.0, option="ratio"),
    ),
    effect=lambda values, target: Effect(
        dict.fromkeys(target.ways, Condition(corrupt_ratio=values["corrupt_ratio"]))
    ),
)
