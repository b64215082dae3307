"""saa: nodes are over the South Atlantic Anomaly, whether their orbits have brought them there or somebody says so."""

from skyrack.orchestrator.faults.effect import Effect
from skyrack.orchestrator.faults.kinds.kind import Kind

KIND = Kind(
    name="saa",
    text="radiation's outcomes come as often as over the South Atlantic",
    acts_on="satellites",
    one_way=False,
    parameters=(),
    effect=lambda values, target: Effect(anomaly=frozenset(target.nodes)),
    for_s=600.0,
)
