"""power: as reboot, and what had been written and not fsynced is gone."""

from skyrack.orchestrator.faults.effect import Effect
from skyrack.orchestrator.faults.hold import Hold, Off
from skyrack.orchestrator.faults.kinds.kind import Kind

KIND = Kind(
    name="power",
    text="off: what was not fsynced is gone too",
    acts_on="places",
    one_way=False,
    parameters=(),
    effect=lambda values, target: Effect(
        dark=frozenset(target.nodes), holds=dict.fromkeys(target.places, Hold(off=Off.POWER))
    ),
    for_s=30.0,
    bare=True,
)
