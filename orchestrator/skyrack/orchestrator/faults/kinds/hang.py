"""hang: one process is stopped, drawn by how much memory it has; until the end, or until a watchdog has another one started.

Who comes in its place runs: that is what differs from `pause`.
"""

from skyrack.orchestrator.faults.effect import Effect, Upset
from skyrack.orchestrator.faults.kinds.kind import DRAW, Kind

KIND = Kind(
    name="hang",
    text="one process stops, as by SIGSTOP",
    acts_on="places",
    one_way=False,
    parameters=(DRAW,),
    effect=lambda values, target: Effect(
        upsets=dict.fromkeys(target.places, Upset("hang", int(values["draw"])))
    ),
)
