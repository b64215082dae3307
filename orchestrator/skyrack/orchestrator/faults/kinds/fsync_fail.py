"""fsync-fail: each fsync of a service fails with EIO."""

from skyrack.orchestrator.faults.effect import Effect
from skyrack.orchestrator.faults.hold import Hold
from skyrack.orchestrator.faults.kinds.kind import Kind

KIND = Kind(
    name="fsync-fail",
    text="fsync fails with EIO",
    acts_on="places",
    one_way=False,
    parameters=(),
    effect=lambda values, target: Effect(holds=dict.fromkeys(target.places, Hold(fsync_fails=True))),
)
