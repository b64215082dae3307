"""What of a run's services an orchestrator that is started again has to know: services.json in the run directory."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from skyrack.orchestrator.runtime.files import write_whole
from skyrack.orchestrator.scenario import Service


@dataclass(frozen=True, slots=True)
class Kept:
    """The services there are, and which start of each is in force, by node and service."""

    services: tuple[Service, ...]
    generations: Mapping[tuple[str, str], int]


def write(path: Path, services: Sequence[Service], generations: Mapping[tuple[str, str], int]) -> None:
    """Replace the file as a whole. Raises OSError."""
    data = {
        "services": [service.model_dump(mode="json", exclude_none=True) for service in services],
        "generations": [[node, name, number] for (node, name), number in generations.items()],
    }
    write_whole(path, json.dumps(data, indent=1))


def read(path: Path) -> Kept | None:
    """What was written last; None where there is nothing usable."""
    try:
        data = json.loads(path.read_text())
        services = tuple(Service.model_validate(item) for item in data["services"])
        generations = {(str(node), str(name)): int(number) for node, name, number in data["generations"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Kept(services, generations)
