"""dark: a node's lasers and radios are off while its process, if it has one, goes on."""

from skyrack.orchestrator.faults.effect import Effect
from skyrack.orchestrator.faults.kinds.kind import Kind

KIND = Kind(
    name="dark",
    text="the node's lasers and radios are off",
    acts_on="nodes",
    one_way=False,
    parameters=(),
    effect=lambda values, target: Effect(dark=frozenset(target.nodes)),
)
