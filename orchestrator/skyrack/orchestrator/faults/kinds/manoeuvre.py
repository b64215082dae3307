"""manoeuvre: the satellite gets out of the way of something: its lasers to other planes slew and acquire anew, those along the
plane stay.

It is ordered beforehand, so routes go around those lasers before they are down; what was sent over them before still arrives.
"""

from skyrack.orchestrator.faults.effect import Effect
from skyrack.orchestrator.faults.kinds.kind import Kind
from skyrack.orchestrator.routing.condition import Condition

KIND = Kind(
    name="manoeuvre",
    text="lasers to other planes are dark; routes know beforehand",
    acts_on="across",
    one_way=False,
    parameters=(),
    effect=lambda values, target: Effect(dict.fromkeys(target.ways, Condition(down=True))),
    for_s=75.0,
    planned=True,
)
