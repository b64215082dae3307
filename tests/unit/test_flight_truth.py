"""What flight software reckons from what it is told is what the orbit and the Sun truly give, at any speed of the clock."""

from __future__ import annotations

import numpy as np
import pytest

from skyrack.node.flight.reckoning import Reckoning, Use
from skyrack.node.flight.settings import FlightSettings
from skyrack.node.knowledge import Knowledge
from skyrack.orchestrator.environment.passes import Passes
from skyrack.orchestrator.environment.sun import sun_at
from skyrack.orchestrator.orbit.sun import sunlit
from skyrack.orchestrator.runtime.node_config import flight
from skyrack.orchestrator.runtime.nodes import NodeState
from skyrack.orchestrator.runtime.storms import Storms
from skyrack.orchestrator.runtime.updates import Outlook
from skyrack.orchestrator.scenario.model.scenario import Scenario
from skyrack.orchestrator.timeline import Timeline
from skyrack.orchestrator.topology.geometry import Geometry

SPAN_S, ARRAY_W = 20_000.0, 2400.0  # three orbits and a half
SCENARIO = Scenario.model_validate(
    {
        "version": 1, "name": "x", "ground": ["london"], "inhabited": ["p0s00"],
        "shells": [{"name": "v", "planes": 1, "slots": 1, "altitude_km": 550, "inclination_deg": 53}],
        "power": {
            "array_w": ARRAY_W, "array_mount": "zenith", "battery_wh": 1e8, "initial_charge_ratio": 0.5,
            "degradation_per_year_ratio": 0,
        },
    }
)  # fmt: skip


@pytest.mark.parametrize(("speed", "heard_before_s"), [(300.0, 0.5), (1000.0, 0.37), (1000.0, 0.9)])
def test_fixed_arrays_give_what_orbit_shadow_and_sun_give(speed: float, heard_before_s: float) -> None:
    """`heard_before_s`: real time from the update, whose ephemeris begins there, to the look, once a second."""
    geometry = Geometry(SCENARIO)
    t_s = np.arange(0.0, SPAN_S, 5.0) + 2.5
    r_km, sun = geometry.positions_of_km([0], t_s)[:, 0], sun_at(geometry, t_s)
    cosine = (r_km * sun).sum(axis=-1) / np.linalg.norm(r_km, axis=-1)
    true_j = float((ARRAY_W * sunlit(r_km, sun) * np.maximum(0.0, cosine)).sum() * 5.0)

    timeline = Timeline(speed)
    outlook = Outlook(geometry, Passes(geometry), timeline, lambda index: "", 0, Storms(timeline))
    reckoning = Reckoning(FlightSettings.from_mapping(flight(SCENARIO) or {}))

    def look(at_s: float) -> None:
        outlook.compute(max(0.0, at_s - heard_before_s * speed))
        outlook.extend()
        update = outlook.update_for(NodeState(0, "p0s00", "satellite", ""))
        assert update is not None
        reckoning.advance(Knowledge(update), at_s, Use(0.0, 0.0))

    for at_s in np.arange(0.0, SPAN_S, speed).tolist():
        look(at_s)
    look(SPAN_S)
    assert reckoning.craft.state.in_j == pytest.approx(true_j, rel=1e-3)
