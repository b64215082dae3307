"""What a link does to a packet beside propagation, as far as it can be computed beforehand."""

from __future__ import annotations

from dataclasses import dataclass

from skyrack.orchestrator.routing.condition import AS_ALWAYS, Condition
from skyrack.orchestrator.scenario.model.scenario import Scenario


@dataclass(frozen=True, slots=True)
class LinkModel:
    """Rates, byte scale, whether propagation is switched off, and what share of packets is lost at random.

    The scenario's `extra_delay` is left out on purpose: it is an error of the emulated link that a check must find.
    """

    laser_rate_bps: float
    ground_rate_bps: float
    byte_scale: int = 1
    zero_delay: bool = False
    loss_ratio: float = 0.0

    @classmethod
    def of(cls, scenario: Scenario) -> LinkModel:
        links = scenario.links
        return cls(
            links.laser_rate_bps, links.ground_rate_bps, links.byte_scale, links.zero_delay, links.loss_ratio
        )

    def lost_ratio(self, condition: Condition = AS_ALWAYS) -> float:
        """The share of packets that one direction of a link loses at random, by the scenario and by faults."""
        return either(self.loss_ratio, condition.loss_ratio or 0.0)

    def kept_ratio(self, condition: Condition = AS_ALWAYS) -> float:
        """The share of packets that arrive as they were sent: neither lost nor damaged."""
        return (1.0 - self.lost_ratio(condition)) * (1.0 - (condition.corrupt_ratio or 0.0))

    def rate_bps(self, *, ground: bool, condition: Condition = AS_ALWAYS, share: float = 1.0) -> float:
        """Rate in emulated bits of a link that has `share` of its kind's."""
        rate_bps = share * (self.ground_rate_bps if ground else self.laser_rate_bps)
        if condition.rate_bps is not None:
            rate_bps = min(rate_bps, condition.rate_bps)
        return rate_bps

    def serialisation_s_per_byte(
        self, *, ground: bool, condition: Condition = AS_ALWAYS, share: float = 1.0
    ) -> float:
        """How long one real byte occupies a link that has `share` of its kind's rate."""
        return 8.0 * self.byte_scale / self.rate_bps(ground=ground, condition=condition, share=share)


def either(first: float, second: float) -> float:
    """The chance of at least one of two independent losses."""
    return first + second - first * second
