"""ephemeris: the way of least delay, from positions that every node can compute."""

from __future__ import annotations

from skyrack.orchestrator.routing.strategies.protocol import Indices, Strategy, View
from skyrack.orchestrator.routing.trees import next_hops
from skyrack.orchestrator.scenario.model.routing import Routing


def strategy(routing: Routing) -> Strategy:
    """It has no keys."""
    return shortest


def shortest(view: View) -> Indices:
    """Shortest delay trees over what is known to be in service."""
    return next_hops(view.through, view.a, view.b, view.delay_s, view.destinations)
