from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skyrack.orchestrator.scenario import load_scenario
from skyrack.orchestrator.scenario.model.scenario import Scenario
from skyrack.orchestrator.topology.geometry import Geometry

ORBIT_S = 5730.0  # one turn at 550 km, 15 s periods of the grid
DAY_S = 86_400.0


class Churn(NamedTuple):
    """Per laser terminal: acquisitions a day, mean life of a lit laser, shares of a terminal's time."""

    acquisitions_day: float
    life_min: float
    uptime_ratio: float  # lit, of the time a terminal has a partner in sight
    lit_ratio: float  # lit, of all time of all terminals
    acquiring_ratio: float


def churn(span_s: float = ORBIT_S, **links: object) -> Churn:
    """What `span_s` of starlink-shell1 with these keys of `links` costs."""
    base = load_scenario("starlink-shell1").model_dump(mode="json", exclude={"workloads"})
    base["links"] = {"platform": "none", **links}
    geometry = Geometry(Scenario.model_validate({**base, "ground": [], "inhabited": []}))
    terminals = geometry.n_sat * geometry.scenario.links.lasers_per_satellite
    begun, lit_s, acquiring_s = 0, 0.0, 0.0
    first = geometry.grid_clock.number_at(0.0)
    count = round(span_s / geometry.scenario.links.epoch_s)
    for number in range(first, first + count):
        t0_s, t1_s = geometry.grid_clock.boundary_s(number), geometry.grid_clock.boundary_s(number + 1)
        window = geometry._window(number)
        lit_s += float(np.diff(window.bounds_s) @ window.lit.sum(axis=1))
        sighted = geometry._sighted(number)
        able_s = float(np.diff(sighted.bounds_s) @ sighted.able.sum(axis=1))
        acquiring_s += able_s - float(np.diff(window.bounds_s) @ window.lit.sum(axis=1))
        starts = window.acquisitions.start_s
        begun += int(((starts >= t0_s) & (starts < t1_s)).sum())
    span_s = count * geometry.scenario.links.epoch_s
    return Churn(
        2.0 * begun / terminals * DAY_S / span_s,
        lit_s / begun / 60.0 if begun else np.inf,
        lit_s / (lit_s + acquiring_s),
        2.0 * lit_s / terminals / span_s,
        2.0 * acquiring_s / terminals / span_s,
    )
