"""Everything `docker compose up` needs for a scenario, as files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from skyrack.orchestrator.hosts import hosts_file
from skyrack.orchestrator.render import compose, grafana, mosquitto, prometheus
from skyrack.orchestrator.render.sidecars import sidecar_files, sidecars
from skyrack.orchestrator.scenario import Scenario, Service, dump_scenario, entry_nodes
from skyrack.orchestrator.scenario.placement import Host, placed
from skyrack.orchestrator.topology.geometry import Geometry

IMAGE = f"skyrack:{version('skyrack')}"
SCRATCH_MB = 64  # in a node that runs services, for each of them that has no limit of its own


def project_files(
    scenario: Scenario,
    *,
    about: Sequence[str],
    build: str | None = None,
    run: str | None = None,
    image: str = IMAGE,
    entry_ports: str | None = None,
) -> dict[str, str]:
    """Relative path -> text of every file of the project.

    `about`: comment lines for the top of compose.yaml. `build`: where the image is built from, as compose takes it, None
    where it exists already. `run`: the run's name, the scenario's by default. `entry_ports`: where the entries are
    published, as FIRST-LAST; None where the environment is to say. Raises what Geometry raises, and OSError for orbit files
    that cannot be read.
    """
    portable, orbits = _portable(scenario)
    geometry = Geometry(scenario)
    name = run or scenario.name
    hosts = _inhabited(scenario, geometry)
    beside = sidecars(scenario.services, hosts, name)
    project = compose.Project(
        name=name,
        about=about,
        image=image,
        build=build,
        nodes=_nodes(scenario, [host for _, host in hosts]),
        orbits=bool(orbits),
        restart=scenario.nodes.restart == "on-crash",
        telemetry=scenario.telemetry.enabled,
        sidecars=beside,
        entries=entry_nodes(scenario.entries, geometry.names[geometry.n_sat :]),
        published=entry_ports,
    )
    return {
        "compose.yaml": compose.compose_file(project),
        compose.SCENARIO_FILE: dump_scenario(portable),
        compose.HOSTS_FILE: hosts_file(
            (str(scenario.network[1 + i]), name) for i, name in enumerate(geometry.names)
        ),
        **(mosquitto.files() if scenario.telemetry.enabled else {}),
        **orbits,
        **sidecar_files(beside),
        **prometheus.files(),
        **grafana.files(),
    }


def _inhabited(scenario: Scenario, geometry: Geometry) -> list[tuple[int, Host]]:
    """Every node with a process, after its index."""
    indices = [int(i) for i in geometry.inhabited]
    return [(i, Host(geometry.names[i], geometry.kind[i], str(scenario.network[1 + i]))) for i in indices]


def _nodes(scenario: Scenario, hosts: Sequence[Host]) -> list[compose.Node]:
    within: dict[str, list[Service]] = {host.name: [] for host in hosts}
    for service in scenario.services:
        for node in placed(service, [(host.name, host.kind) for host in hosts]):
            if service.image is None:
                within[node].append(service)
    return [_node(name, services) for name, services in within.items()]


def _node(name: str, services: Sequence[Service]) -> compose.Node:
    if not services:
        return compose.Node(name)
    scratch_mb = sum(math.ceil(service.limits.disk_mb or SCRATCH_MB) for service in services)
    return compose.Node(name, scratch_mb, tuple(dict.fromkeys(p for s in services for p in s.path)))


def _portable(scenario: Scenario) -> tuple[Scenario, dict[str, str]]:
    """The scenario with orbit files beside it, and those files."""
    files: dict[str, str] = {}
    moved: dict[str, tuple[str, ...]] = {}
    for key in ("tle", "omm"):
        places = []
        for number, path in enumerate(getattr(scenario, key)):
            place = f"{compose.ORBITS_DIRECTORY}/{key}{number}-{Path(path).name}"
            files[place] = Path(path).read_text(encoding="utf-8")
            places.append(place)
        moved[key] = tuple(places)
    return (scenario.model_copy(update=moved) if files else scenario), files
