"""power: as reboot, and what had been written and not fsynced is gone."""

from skyrack.orchestrator.faults.hold import Off
from skyrack.orchestrator.faults.kinds.kind import Kind
from skyrack.orchestrator.faults.kinds.off import switched_off

KIND = Kind(
    name="power",
    text="off: what was not fsynced is gone too",
    acts_on="places",
    one_way=False,
    parameters=(),
    effect=lambda values, target: switched_off(target, Off.POWER),
)
