"""flap: a link is dark for a share of every period. Nobody planned it: routing notices what lasts for the detection time."""

from collections.abc import Mapping

from skyrack.orchestrator.faults.effect import Effect
from skyrack.orchestrator.faults.fault import Pulse
from skyrack.orchestrator.faults.kinds.kind import Kind, Parameter
from skyrack.orchestrator.routing.condition import Condition


def _pulse(values: Mapping[str, float]) -> Pulse:
    return Pulse(values["period_s"], values["period_s"] * values["down_ratio"])


KIND = Kind(
    name="flap",
    text="the link is dark now and then",
    acts_on="links",
    one_way=False,
    parameters=(
        Parameter(
            "period_s", "seconds from one darkness to the next", above=0.05, most=86_400.0, example="2s"
        ),
        Parameter(
            "down_ratio",
            "share of the period that it is dark",
            above=0.0,
            most=0.99,
            default=0.5,
            example="50%",
        ),
    ),
    effect=lambda values, target: Effect(dict.fromkeys(target.ways, Condition(down=True))),
    pulse=_pulse,
)
