"""crash: one process dies of SIGSEGV, drawn by how much memory it has. Whoever keeps it starts it again."""

from skyrack.orchestrator.faults.effect import Effect, Upset
from skyrack.orchestrator.faults.kinds.kind import DRAW, Kind

KIND = Kind(
    name="crash",
    text="one process dies of SIGSEGV",
    acts_on="places",
    one_way=False,
    parameters=(DRAW,),
    effect=lambda values, target: Effect(
        upsets=dict.fromkeys(target.places, Upset("crash", int(values["draw"])))
    ),
    at_once=True,
)
