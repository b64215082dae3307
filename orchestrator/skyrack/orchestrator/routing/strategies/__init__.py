"""Routing strategies: how next hops are chosen. A new one is a file here and a line in STRATEGIES."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from skyrack.orchestrator.routing.strategies import contact_graph, ephemeris, load_aware, static
from skyrack.orchestrator.routing.strategies.protocol import Strategy, View
from skyrack.orchestrator.scenario.model.routing import Routing

STRATEGIES: Final[Mapping[str, Callable[[Routing], Strategy]]] = {
    "ephemeris": ephemeris.strategy,
    "static": static.strategy,
    "load-aware": load_aware.strategy,
    "contact-graph": contact_graph.strategy,
}

__all__ = ["STRATEGIES", "Strategy", "View"]
