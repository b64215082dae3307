"""What the loop counts, and how that reaches the shared memory without holding packets up."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from skyrack.orchestrator.fabric.classes import SharedLink
from skyrack.orchestrator.fabric.engine import DROPS, Engine
from skyrack.orchestrator.fabric.flows import Flows
from skyrack.orchestrator.fabric.histogram import Histogram
from skyrack.orchestrator.fabric.wire import (
    CLASS_COUNTERS,
    FLOW_COUNTERS,
    LINK_COUNTERS,
    SCALARS,
    SharedArrays,
)

LINKS_PER_TURN = 256


class Tally:
    """Counters of one loop. `sent[node]` and `received[node]` are [packets, bytes], as the node sees them."""

    def __init__(self, n_nodes: int) -> None:
        self.lateness = Histogram()
        self.ingress_lag = Histogram()
        self.scalars = dict.fromkeys(SCALARS, 0.0)
        self.sent = [[0, 0] for _ in range(n_nodes)]
        self.received = [[0, 0] for _ in range(n_nodes)]

    def write(
        self,
        arrays: SharedArrays,
        engine: Engine,
        flows: Flows,
        clock: Callable[[], float],
        *,
        with_links: bool,
    ) -> Iterator[None]:
        """Copy everything into the shared memory, a few links at a time; packets may pass between two steps.

        `clock`: run seconds.
        """
        links = engine.links
        queue, loss = engine.drops["queue"], engine.drops["loss"]
        counters, classes = arrays["link_counters"], arrays["class_counters"]
        for first in range(0, len(links), LINKS_PER_TURN):
            part = links[first : first + LINKS_PER_TURN]
            queue += sum(link.dropped_queue for link in part)
            loss += sum(link.dropped_loss for link in part)
            if with_links:
                for row, name in enumerate(LINK_COUNTERS):
                    counters[row, first : first + len(part)] = [getattr(link, name) for link in part]
                if isinstance(links[first], SharedLink):  # all of a mesh are, or none
                    for row, name in enumerate(CLASS_COUNTERS):
                        classes[row, first : first + len(part)] = [getattr(link, name) for link in part]
            yield
        drops = engine.drops | {"queue": queue, "loss": loss}
        arrays["drops"][:] = [drops[name] for name in DROPS]
        arrays["lateness"][:] = self.lateness.counts
        arrays["ingress_lag"][:] = self.ingress_lag.counts
        arrays["node_counters"][:2] = list(zip(*self.sent, strict=True))
        arrays["node_counters"][2:] = list(zip(*self.received, strict=True))
        for row, name in enumerate(FLOW_COUNTERS):
            arrays["flow_counters"][row, : len(flows.counted)] = [
                getattr(flow, name) for flow in flows.counted
            ]
        scalars = self.scalars
        scalars["ingress_packets"], scalars["ingress_bytes"] = map(sum, zip(*self.sent, strict=True))
        scalars["delivered_packets"], scalars["delivered_bytes"] = map(sum, zip(*self.received, strict=True))
        scalars["max_lateness_s"], scalars["sum_lateness_s"] = self.lateness.max, self.lateness.sum
        scalars["max_ingress_lag_s"], scalars["sum_ingress_lag_s"] = (
            self.ingress_lag.max,
            self.ingress_lag.sum,
        )
        scalars["loops"], scalars["corrupted"] = engine.loops, engine.corrupted
        scalars["written_at_s"] = clock()
        arrays["scalars"][:] = [scalars[name] for name in SCALARS]
        yield
