"""cpu: all that runs at a node, or one service there, gets this share of a core together."""

from skyrack.orchestrator.faults.effect import Effect
from skyrack.orchestrator.faults.hold import Hold
from skyrack.orchestrator.faults.kinds.kind import Kind, Parameter

KIND = Kind(
    name="cpu",
    text="share of a core it gets",
    acts_on="places",
    one_way=False,
    parameters=(
        Parameter("cpu_ratio", "share of a core", above=0.0, most=64.0, option="share", example="0.1"),
    ),
    effect=lambda values, target: Effect(
        holds=dict.fromkeys(target.places, Hold(cpu_ratio=values["cpu_ratio"]))
    ),
)
