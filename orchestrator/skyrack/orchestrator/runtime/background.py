"""The background traffic of a run: what it is, and what the fabric says has become of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from skyrack.orchestrator.clock import Clock
from skyrack.orchestrator.environment.gravity import demands
from skyrack.orchestrator.fabric.flows import Flow
from skyrack.orchestrator.fabric.quantum import SEGMENT_BYTES
from skyrack.orchestrator.fabric.wire import FLOW_COUNTERS
from skyrack.orchestrator.runtime.roster import Roster
from skyrack.orchestrator.scenario import Scenario

START_MARGIN_S = 0.005  # what the fabric is told holds from an instant that has not passed when it hears it
LEAST_QUANTUM_BYTES = 2 * SEGMENT_BYTES
QUEUE_PARTS = 4  # a quantum comes at once where it begins: it must fit, and leave room


class Carrier(Protocol):
    """The part of a fabric that carries flows; run seconds, node indices."""

    def set_flows(self, at_s: float, flows: Sequence[Flow], quantum_bytes: int) -> None:
        """These and no others from `at_s` on."""

    async def counters(self, *, links: bool = False) -> dict[str, Any]:
        """Raises ConnectionError, TimeoutError."""


class Background:
    """Gives every fabric the flows of the gravity model. `carrier`: the fabric that is up, if any."""

    def __init__(
        self, scenario: Scenario, roster: Roster, clock: Clock, carrier: Callable[[], Carrier | None]
    ) -> None:
        self._clock = clock
        self._carrier = carrier
        self._names = roster.names
        self._byte_scale = scenario.links.byte_scale
        self.rate_bps = scenario.background.rate_bps
        stations = [roster.require(station.name) for station in scenario.ground]
        self.flows = tuple(
            Flow(stations[demand.src], stations[demand.dst], demand.rate_bps / self._byte_scale)
            for demand in demands(scenario.ground, scenario.background, scenario.seed)
        )
        self.quantum_bytes = quantum_bytes(scenario)

    def start(self, carrier: Carrier) -> None:
        """A fabric is up: what it sends begins now."""
        if self.flows:
            carrier.set_flows(self._clock.run_s() + START_MARGIN_S, self.flows, self.quantum_bytes)

    def totals(self, counters: Mapping[str, Any]) -> dict[str, int]:
        """Emulated bytes sent, delivered and lost, from the fabric's counters."""
        return {
            name: round(sum(counters["flows"][name][: len(self.flows)])) * self._byte_scale
            for name in FLOW_COUNTERS
        }

    async def figures(self) -> dict[str, Any]:
        """Every flow with its emulated bytes since the fabric began, most first. Raises RuntimeError where none is up."""
        carrier = self._carrier()
        if carrier is None:
            raise RuntimeError("the fabric is not up")
        try:
            counters = await carrier.counters()
        except (ConnectionError, TimeoutError) as error:
            raise RuntimeError(f"the fabric does not answer: {error}") from error
        scale = self._byte_scale
        columns = [counters["flows"][name][: len(self.flows)] for name in FLOW_COUNTERS]
        return {
            "run_s": counters["run_s"],
            "rate_bps": self.rate_bps,
            "quantum_bytes": self.quantum_bytes * scale,
            "flows": [
                {
                    "from": self._names[flow.src],
                    "to": self._names[flow.dst],
                    "rate_bps": flow.rate_bps * scale,
                }
                | {
                    f"{name}_bytes": round(size) * scale
                    for name, size in zip(FLOW_COUNTERS, sizes, strict=True)
                }
                for flow, *sizes in zip(self.flows, *columns, strict=True)
            ],
        }


def quantum_bytes(scenario: Scenario) -> int:
    """How much a flow sends at once, in the fabric's bytes: less than the scenario wants where queues are small."""
    links = scenario.links
    ground_bps = (links.uplink_rate_bps, links.downlink_rate_bps)
    rates_bps = [
        links.laser_rate_bps,
        *(rate_bps or links.ground_rate_bps for rate_bps in ground_bps),
        *(fibre.rate_bps for fibre in scenario.fibre),  # user terminals carry nothing of others
    ]
    queue_bytes = min(map(links.queue_limit_bytes, rates_bps))
    wanted_bytes = scenario.background.rate_bps / 8.0 / scenario.background.quanta_per_s
    return max(LEAST_QUANTUM_BYTES, int(min(wanted_bytes, queue_bytes / QUEUE_PARTS) / links.byte_scale))
