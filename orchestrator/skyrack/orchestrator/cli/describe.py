"""A scenario in a few lines, with its geometry computed."""

from __future__ import annotations

import math
from collections import Counter

from skyrack.orchestrator.clock import RealClock
from skyrack.orchestrator.orbit.constellation import epoch_age_note
from skyrack.orchestrator.scenario import Scenario, Service
from skyrack.orchestrator.topology.epoch import count_kinds
from skyrack.orchestrator.topology.geometry import Geometry


def describe(scenario: Scenario) -> list[str]:
    """What the scenario is: shells, links at the start, who has a process."""
    geometry = geometry_of(scenario)
    links_now = count_kinds(geometry.epoch(0.0).kind)
    n_inhabited = int((geometry.inhabited < geometry.n_sat).sum())
    on_ground = [f"{len(scenario.ground)} ground stations"]
    on_ground += [f"{len(scenario.users)} user terminals"] if scenario.users else []
    on_ground += [f"{len(scenario.pops)} points of presence"] if scenario.pops else []
    lines = [
        f"{scenario.name}: {n_inhabited} of {geometry.n_sat} satellites inhabited, {', '.join(on_ground)}"
    ]
    links = scenario.links
    platform = "" if links.platform == "none" else f" ({links.platform})"
    lines.append(
        f"{links.pattern}: {links.lasers_per_satellite} laser terminals per satellite{platform} of "
        f"{links.laser_rate_bps / 1e9:g} Gbit/s, acquisition {links.acquisition_min_s:g}-{links.acquisition_max_s:g} s"
    )
    fibres = f", {links_now['fibre']} fibres" if links_now["fibre"] else ""
    lines.append(
        f"at {geometry.start:%Y-%m-%dT%H:%M:%SZ}: {links_now['laser']} lasers, {links_now['ground']} ground links{fibres}"
    )
    lines += [f"service {service.name}: {_where(service)}" for service in scenario.services]
    lines += _faults(geometry)
    notes = (*geometry.notes, epoch_age_note(geometry.constellation, RealClock().utc()))
    return lines + [f"note: {text}" for text in notes if text is not None]


def _faults(geometry: Geometry) -> list[str]:
    """How many there are, by cause. Raises Problem."""
    from skyrack.orchestrator.cli.exits import USAGE, Problem
    from skyrack.orchestrator.faults.problem import FaultProblem
    from skyrack.orchestrator.routing.plan import fault_records

    try:
        causes = Counter(record["cause"] for record in fault_records(geometry, math.inf))
    except FaultProblem as problem:
        raise Problem(str(problem), status=USAGE) from problem
    told = ", ".join(f"{count} of {cause}" for cause, count in causes.items())
    return [f"faults: {told}; skyrack plan lists them"] if told else []


def _where(service: Service) -> str:
    """On which nodes, and what runs there."""
    program = service.python or (service.command[0] if service.command else service.image)
    named = service.named_nodes
    return f"{program} on " + (", ".join(named) if named else f"{service.nodes}")


def geometry_of(scenario: Scenario) -> Geometry:
    """The scenario's geometry; what is wrong with its element sets becomes the user's message. Raises Problem."""
    from skyrack.orchestrator.cli.exits import USAGE, Problem
    from skyrack.orchestrator.orbit.errors import GeometryError

    try:
        return Geometry(scenario)
    except GeometryError as error:
        raise Problem(str(error), status=USAGE) from error
