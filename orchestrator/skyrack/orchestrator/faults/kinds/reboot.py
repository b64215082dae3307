"""reboot: everything at a node ends at once and is started again at the end; what had been written stays."""

from skyrack.orchestrator.faults.effect import Effect
from skyrack.orchestrator.faults.hold import Hold, Off
from skyrack.orchestrator.faults.kinds.kind import Kind

KIND = Kind(
    name="reboot",
    text="off: memory and temporary files are gone",
    acts_on="places",
    one_way=False,
    parameters=(),
    effect=lambda values, target: Effect(
        dark=frozenset(target.nodes), holds=dict.fromkeys(target.places, Hold(off=Off.REBOOT))
    ),
    for_s=30.0,
    bare=True,
)
