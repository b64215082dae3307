"""clock: the wall clock that the programs of a service read is off by this."""

from skyrack.orchestrator.faults.effect import Effect
from skyrack.orchestrator.faults.hold import Hold
from skyrack.orchestrator.faults.kinds.kind import Kind, Parameter

KIND = Kind(
    name="clock",
    text="added to the wall clock",
    acts_on="places",
    one_way=False,
    parameters=(
        Parameter(
            "clock_s",
            "seconds to add to the wall clock",
            above=-1e9,
            most=1e9,
            option="offset",
            example="-5s",
        ),
    ),
    effect=lambda values, target: Effect(holds=dict.fromkeys(target.places, Hold(clock_s=values["clock_s"]))),
)
