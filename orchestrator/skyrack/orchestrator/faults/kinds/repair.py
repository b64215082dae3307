"""repair: a servicing vehicle comes to nodes, exchanges what is broken, and leaves them as new, without data.

    travel: nothing yet --travel_t_s--> visit: dark and off --visit_t_s--> as new: all that had befallen the node ends

Both times are the orbits'.
"""

from collections.abc import Mapping

from skyrack.orchestrator.faults.effect import Effect
from skyrack.orchestrator.faults.fault import Stage
from skyrack.orchestrator.faults.hold import Hold, Off
from skyrack.orchestrator.faults.kinds.kind import Kind, Parameter
from skyrack.orchestrator.faults.targets import Target


def _stages(values: Mapping[str, float], target: Target) -> tuple[Stage, ...]:
    nodes = frozenset(target.nodes)
    visit = Effect(dark=nodes, holds=dict.fromkeys(target.places, Hold(off=Off.LOST)))
    return (
        Stage("travel", Effect(), values["travel_t_s"], orbit=True),
        Stage("visit", visit, values["visit_t_s"], orbit=True),
        Stage("as new", Effect(mends=nodes), 0.0, orbit=True),
    )


KIND = Kind(
    name="repair",
    text="visited: dark meanwhile, then as new, without data",
    acts_on="places",
    one_way=False,
    parameters=(
        Parameter(
            "travel_t_s", "orbit time until the vehicle is there", 0.0, 1e9, default=21_600.0, option="travel",
            example="6h",
        ),
        Parameter("visit_t_s", "orbit time of the visit", 0.0, 1e9, default=1800.0, option="visit", example="30m"),
    ),
    effect=lambda values, target: Effect(),
    bare=True,
    stages=_stages,
)  # fmt: skip
