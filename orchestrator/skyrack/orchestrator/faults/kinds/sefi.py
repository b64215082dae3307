"""sefi: a single event functional interrupt: the whole node does not work until it has been reset, in 1 to 5 minutes.

As `reboot`, for as long as watchdog, reset and start of a flight computer take. What had been written stays.
"""

from typing import Final

from skyrack.orchestrator.faults.effect import Effect
from skyrack.orchestrator.faults.hold import Hold, Off
from skyrack.orchestrator.faults.kinds.kind import Kind

LASTS_S: Final = (60.0, 300.0)

KIND = Kind(
    name="sefi",
    text="off until it has been reset: memory is gone",
    acts_on="places",
    one_way=False,
    parameters=(),
    effect=lambda values, target: Effect(
        dark=frozenset(target.nodes), holds=dict.fromkeys(target.places, Hold(off=Off.REBOOT))
    ),
    for_s=LASTS_S,
    bare=True,
)
