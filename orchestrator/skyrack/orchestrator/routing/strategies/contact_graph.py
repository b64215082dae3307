"""contact-graph: packets go as by ephemeris; a declared transfer without a way is stored and forwarded.

Packets are not stored, so what chooses their next hops is no other than ephemeris. The rest is no matter of next hops:
routing/contact_search.py finds the way of a bundle, runtime/custody.py brings it there.
"""

from __future__ import annotations

from skyrack.orchestrator.routing.strategies.ephemeris import shortest
from skyrack.orchestrator.routing.strategies.protocol import Strategy
from skyrack.orchestrator.scenario.model.routing import Routing


def strategy(routing: Routing) -> Strategy:
    """That of packets; its keys are for bundles."""
    return shortest
