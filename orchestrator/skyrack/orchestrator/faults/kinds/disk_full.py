"""disk-full: whatever a service writes fails with ENOSPC."""

from skyrack.orchestrator.faults.effect import Effect
from skyrack.orchestrator.faults.hold import Hold
from skyrack.orchestrator.faults.kinds.kind import Kind

KIND = Kind(
    name="disk-full",
    text="writes fail with ENOSPC",
    acts_on="places",
    one_way=False,
    parameters=(),
    effect=lambda values, target: Effect(holds=dict.fromkeys(target.places, Hold(disk_full=True))),
)
