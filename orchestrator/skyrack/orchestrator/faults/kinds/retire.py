"""retire: the end of a satellite's life: services end, their data are removed, then the satellite leaves its orbit.

    drain: services stop, none starts --drain_s--> erase: their data go --deorbit_t_s--> deorbit: dark, for good

How long programs take to end is real time; the time until the satellite has gone is the orbits'.
"""

import math
from collections.abc import Mapping

from skyrack.orchestrator.faults.effect import Effect
from skyrack.orchestrator.faults.fault import Stage
from skyrack.orchestrator.faults.hold import Hold, Off
from skyrack.orchestrator.faults.kinds.kind import Kind, Parameter
from skyrack.orchestrator.faults.targets import Target


def _stages(values: Mapping[str, float], target: Target) -> tuple[Stage, ...]:
    def held(hold: Hold, dark: frozenset[int] = frozenset()) -> Effect:
        return Effect(dark=dark, holds=dict.fromkeys(target.places, hold))

    return (
        Stage("drain", held(Hold(drained=True)), values["drain_s"], orbit=False),
        Stage("erase", held(Hold(drained=True, erased=True)), values["deorbit_t_s"], orbit=True),
        Stage(
            "deorbit",
            held(Hold(off=Off.LOST, drained=True, erased=True), frozenset(target.nodes)),
            math.inf,
            orbit=True,
        ),
    )


KIND = Kind(
    name="retire",
    text="drained, erased, then gone for good",
    acts_on="places",
    one_way=False,
    parameters=(
        Parameter("drain_s", "time for its services to end", 0.0, 86_400.0, default=10.0, example="10s"),
        Parameter(
            "deorbit_t_s", "orbit time from erasing to its end", 0.0, 1e9, default=60.0, option="deorbit",
            example="60s",
        ),
    ),
    effect=lambda values, target: Effect(),
    for_s=math.inf,
    bare=True,
    stages=_stages,
    final=True,
)  # fmt: skip
