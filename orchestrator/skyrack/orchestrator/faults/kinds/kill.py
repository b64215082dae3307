"""kill: SIGKILL to all that runs at a node, or to one service there. Whoever keeps it starts it again."""

from skyrack.orchestrator.faults.effect import Effect
from skyrack.orchestrator.faults.kinds.kind import Kind

KIND = Kind(
    name="kill",
    text="killed with SIGKILL",
    acts_on="places",
    one_way=False,
    parameters=(),
    effect=lambda values, target: Effect(kills=frozenset(target.places)),
    at_once=True,
)
