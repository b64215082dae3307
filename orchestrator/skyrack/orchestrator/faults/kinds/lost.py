"""lost: the node is no more, with everything it had; one that comes back after all begins anew."""

from skyrack.orchestrator.faults.hold import Off
from skyrack.orchestrator.faults.kinds.kind import Kind
from skyrack.orchestrator.faults.kinds.off import switched_off

KIND = Kind(
    name="lost",
    text="gone with everything it had",
    acts_on="places",
    one_way=False,
    parameters=(),
    effect=lambda values, target: switched_off(target, Off.LOST),
)
