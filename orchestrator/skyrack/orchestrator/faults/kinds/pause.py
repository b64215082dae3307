"""pause: SIGSTOP to all that runs at a node, or to one service there, and SIGCONT at the end."""

from skyrack.orchestrator.faults.effect import Effect
from skyrack.orchestrator.faults.hold import Hold
from skyrack.orchestrator.faults.kinds.kind import Kind

KIND = Kind(
    name="pause",
    text="stopped, as by SIGSTOP",
    acts_on="places",
    one_way=False,
    parameters=(),
    effect=lambda values, target: Effect(holds=dict.fromkeys(target.places, Hold(paused=True))),
)
