"""lost: the node is no more, with everything it had; one that comes back after all begins anew."""

import math

from skyrack.orchestrator.faults.effect import Effect
from skyrack.orchestrator.faults.hold import Hold, Off
from skyrack.orchestrator.faults.kinds.kind import Kind

KIND = Kind(
    name="lost",
    text="gone with everything it had",
    acts_on="places",
    one_way=False,
    parameters=(),
    effect=lambda values, target: Effect(
        dark=frozenset(target.nodes), holds=dict.fromkeys(target.places, Hold(off=Off.LOST))
    ),
    for_s=math.inf,
    bare=True,
)
