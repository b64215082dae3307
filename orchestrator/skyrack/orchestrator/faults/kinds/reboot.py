"""reboot: everything at a node ends at once and is started again at the end; what had been written stays."""

from skyrack.orchestrator.faults.hold import Off
from skyrack.orchestrator.faults.kinds.kind import Kind
from skyrack.orchestrator.faults.kinds.off import switched_off

KIND = Kind(
    name="reboot",
    text="off: memory and temporary files are gone",
    acts_on="places",
    one_way=False,
    parameters=(),
    effect=lambda values, target: switched_off(target, Off.REBOOT),
)
