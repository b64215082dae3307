"""fsync-slow: each fsync of a service takes longer."""

from skyrack.orchestrator.faults.effect import Effect
from skyrack.orchestrator.faults.hold import Hold
from skyrack.orchestrator.faults.kinds.kind import Kind, Parameter

KIND = Kind(
    name="fsync-slow",
    text="added to each fsync",
    acts_on="places",
    one_way=False,
    parameters=(Parameter("fsync_s", "seconds to add to each fsync", above=0.0, most=600.0, option="extra"),),
    effect=lambda values, target: Effect(holds=dict.fromkeys(target.places, Hold(fsync_s=values["fsync_s"]))),
)
