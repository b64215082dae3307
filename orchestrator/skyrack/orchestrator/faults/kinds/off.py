"""What the kinds have in common that switch whole nodes off."""

from skyrack.orchestrator.faults.effect import Effect
from skyrack.orchestrator.faults.hold import Hold, Off
from skyrack.orchestrator.faults.targets import Target


def switched_off(target: Target, off: Off) -> Effect:
    """Nothing runs there, and lasers and radios are off, also of a satellite that has no process."""
    return Effect(
        holds=dict.fromkeys(target.places, Hold(off=off)), dark=frozenset(node for node, _ in target.places)
    )
