"""flip-memory: a bit of the memory of one process is turned over; which process, page and bit is drawn when it happens.

A process is the likelier to be hit the more memory it has. What becomes of it is the program's own: nothing, another result, or
its end."""

from skyrack.orchestrator.faults.effect import Effect, Upset
from skyrack.orchestrator.faults.kinds.kind import DRAW, Kind

KIND = Kind(
    name="flip-memory",
    text="a bit of one process's memory is turned over",
    acts_on="places",
    one_way=False,
    parameters=(DRAW,),
    effect=lambda values, target: Effect(
        upsets=dict.fromkeys(target.places, Upset("memory", int(values["draw"])))
    ),
    at_once=True,
)
