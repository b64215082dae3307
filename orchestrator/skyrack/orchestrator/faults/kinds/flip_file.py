"""flip-file: a bit of one file that services have written is turned over; a file is the likelier to be hit the longer it is."""

from skyrack.orchestrator.faults.effect import Effect, Upset
from skyrack.orchestrator.faults.kinds.kind import DRAW, Kind

KIND = Kind(
    name="flip-file",
    text="a bit of a file of a service is turned over",
    acts_on="places",
    one_way=False,
    parameters=(DRAW,),
    effect=lambda values, target: Effect(
        upsets=dict.fromkeys(target.places, Upset("file", int(values["draw"])))
    ),
    at_once=True,
)
