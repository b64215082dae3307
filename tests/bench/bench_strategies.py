"""Milliseconds per decision of each routing strategy: 1,584 satellites, 20 or 100 stations as the only destinations.

Run: python -m tests.bench --only strategies
"""

from __future__ import annotations

import statistics
import time

from skyrack.orchestrator.routing.strategies import STRATEGIES
from skyrack.orchestrator.routing.strategies.load_aware import rebalance
from skyrack.orchestrator.scenario.model.routing import LoadAware, Routing
from skyrack.orchestrator.topology.geometry import Geometry

from .bench_geometry import scenario

PRESET = "starlink-shell1"
STATIONS = (20, 100)
STEPS = 10


def main() -> None:
    """One row per strategy; load-aware once more as a run does it, against trees in force."""
    print(f"{'strategy':>20} {'stations':>8} {'ms':>8}")
    for stations in STATIONS:
        geometry = Geometry(scenario(PRESET, stations))
        views = [geometry.view(geometry.epoch(15.0 * step)) for step in range(STEPS)]
        for name, make in STRATEGIES.items():
            strategy = make(Routing())
            took = []
            for view in views:
                begun = time.perf_counter()
                strategy(view)
                took.append((time.perf_counter() - begun) * 1e3)
            print(f"{name:>20} {stations:>8} {statistics.median(took):>8.1f}")
        held, took = rebalance(views[0], LoadAware(), None, None), []
        for turn, view in enumerate(views):
            begun = time.perf_counter()
            held = rebalance(view, LoadAware(), held, turn % LoadAware().stagger)
            took.append((time.perf_counter() - begun) * 1e3)
        print(f"{'load-aware, held':>20} {stations:>8} {statistics.median(took):>8.1f}")
