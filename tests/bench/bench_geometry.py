"""Seconds per geometry step, one thread.

A step is what a run does at each epoch: satellites by SGP4 at new knots, positions, lasers and their line of sight,
visibility from every station, next hops of every satellite to every station. A second is what it does in between:
delays of all links in force at two instants a second apart. Medians of consecutive steps, as in a run.

Run: python tests/bench/bench_geometry.py
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import statistics
import time
from collections.abc import Callable

import numpy as np

from skyrack.orchestrator.scenario import Scenario, load_scenario
from skyrack.orchestrator.topology.epoch import Epoch
from skyrack.orchestrator.topology.geometry import Geometry

PRESETS = ("iridium", "starlink-shell1", "starlink-gen1", "starlink-gen2-granted")
STATIONS = (20, 100)
STEPS = 20
# Milliseconds per step with numpy and scipy on the machine the layout was tried on, by satellites and stations.
AIM_MS = {(1584, 20): 6, (1584, 100): 22, (4408, 20): 17, (4408, 100): 68, (10080, 20): 47, (10080, 100): 215}


def scenario(preset: str, stations: int) -> Scenario:
    """The preset with stations spread over the inhabited latitudes, which are the only destinations."""
    draw = np.random.default_rng(stations)
    ground = [
        {"name": f"s{i}", "lat_deg": float(draw.uniform(-50, 55)), "lon_deg": float(draw.uniform(-180, 180))}
        for i in range(stations)
    ]
    base = load_scenario(preset).model_dump(mode="json", exclude={"ground", "inhabited", "workloads"})
    return Scenario.model_validate({**base, "ground": ground, "inhabited": []})


def median_ms(work: Callable[[float], object], first_s: float, step_s: float) -> float:
    """Median over consecutive steps; the first one or two warm the caches and are not counted."""
    took = []
    for step in range(STEPS + 2):
        begun = time.perf_counter()
        work(first_s + step * step_s)
        took.append((time.perf_counter() - begun) * 1e3)
    return statistics.median(took[2:])


def main() -> None:
    print(
        f"{'satellites':>10} {'stations':>8} {'start ms':>9} {'step ms':>8} {'aim ms':>7} {'second ms':>10}"
    )
    for preset in PRESETS:
        for stations in STATIONS:
            begun = time.perf_counter()
            geometry = Geometry(scenario(preset, stations))
            start_ms = (time.perf_counter() - begun) * 1e3
            step_ms = median_ms(geometry.epoch, geometry.grid_clock.boundary_s(1), 15.0)
            epoch = geometry.epoch(1000.0)

            def second(t_s: float, geometry: Geometry = geometry, epoch: Epoch = epoch) -> None:
                geometry.delay_s(epoch.a, epoch.b, t_s)
                geometry.delay_s(epoch.a, epoch.b, t_s + 1.0)

            second_ms = median_ms(second, 1000.0, 1.0)
            aim = AIM_MS.get((geometry.n_sat, stations), "-")
            print(
                f"{geometry.n_sat:>10} {stations:>8} {start_ms:>9.0f} {step_ms:>8.1f} {aim:>7} {second_ms:>10.2f}"
            )


if __name__ == "__main__":
    main()
