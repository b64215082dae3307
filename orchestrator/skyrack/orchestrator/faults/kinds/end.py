"""end: a part of the run itself ends at once: broker, fabric or orchestrator. Whoever keeps it starts it again."""

from skyrack.orchestrator.faults.effect import Effect
from skyrack.orchestrator.faults.kinds.kind import Kind

KIND = Kind(
    name="end",
    text="a part of the run ends",
    acts_on="parts",
    one_way=False,
    parameters=(),
    effect=lambda values, target: Effect(ends=frozenset(target.parts)),
    at_once=True,
)
