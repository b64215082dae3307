"""partition: what the nodes of one side send to those of the other is lost, whichever way it goes; and back, unless one-way."""

from collections.abc import Mapping

from skyrack.orchestrator.faults.effect import Cut, Effect
from skyrack.orchestrator.faults.kinds.kind import Kind
from skyrack.orchestrator.faults.targets import Target


def _effect(values: Mapping[str, float], target: Target) -> Effect:
    one, other = frozenset(target.nodes), frozenset(target.to)
    there = Cut(one, other)
    return Effect(cuts=(there,) if target.one_way else (there, Cut(other, one)))


KIND = Kind(
    name="partition",
    text="nothing from one side reaches the other",
    acts_on="sides",
    one_way=True,
    parameters=(),
    effect=_effect,
)
