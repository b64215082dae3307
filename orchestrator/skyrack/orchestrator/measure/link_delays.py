"""What the orbits say of every link's delay at one instant, from the scenario that a run has recorded."""

from __future__ import annotations

from pathlib import Path

from skyrack.orchestrator.measure.fidelity import link_name
from skyrack.orchestrator.scenario import ScenarioError, load_scenario
from skyrack.orchestrator.topology.geometry import Geometry


def planned_delays_s(scenario_file: Path, t_s: float) -> dict[str, float]:
    """One-way delays of the links in force at an orbit time, by name; empty where the file cannot be read any more.

    Computed here and not asked of the run: hundreds of links of a large constellation would keep it busy for half a minute.
    """
    try:
        scenario = load_scenario(scenario_file)
    except (OSError, ScenarioError):
        return {}
    geometry = Geometry(scenario)
    epoch = geometry.epoch(t_s)
    delay_s = geometry.delay_s(epoch.a, epoch.b, t_s) * (not scenario.links.zero_delay)
    names = geometry.names
    return {
        link_name(names[a], names[b]): delay
        for a, b, delay in zip(epoch.a.tolist(), epoch.b.tolist(), delay_s.tolist(), strict=True)
    }
