"""storm: the Sun throws particles: nothing breaks by itself, outcomes of radiation come more often (environment/)."""

from skyrack.orchestrator.faults.effect import Effect
from skyrack.orchestrator.faults.kinds.kind import Kind, Parameter

KIND = Kind(
    name="storm",
    text="radiation's outcomes come more often",
    acts_on="satellites",
    one_way=False,
    parameters=(
        Parameter(
            "factor",
            "how many times as often as without it",
            above=0.0,
            most=10_000.0,
            default=100.0,
            example="100",
        ),
    ),
    effect=lambda values, target: Effect(radiation=dict.fromkeys(target.nodes, values["factor"])),
    for_s=3600.0,
)
