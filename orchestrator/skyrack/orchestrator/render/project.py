"""Everything `docker compose up` needs for a scenario, as files."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from skyrack.orchestrator.hosts import hosts_file
from skyrack.orchestrator.render import compose, grafana, mosquitto, prometheus
from skyrack.orchestrator.scenario import Scenario, dump_scenario, entry_nodes
from skyrack.orchestrator.topology.geometry import Geometry

IMAGE = f"skyrack:{version('skyrack')}"


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
    project = compose.Project(
        name=run or scenario.name,
        about=about,
        image=image,
        build=build,
        nodes=_nodes(geometry),
        orbits=bool(orbits),
        restart=scenario.nodes.restart == "on-crash",
        telemetry=scenario.telemetry.enabled,
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
        **prometheus.files(),
        **grafana.files(),
    }


def _nodes(geometry: Geometry) -> list[compose.Node]:
    return [compose.Node(geometry.names[int(i)]) for i in geometry.inhabited]


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
