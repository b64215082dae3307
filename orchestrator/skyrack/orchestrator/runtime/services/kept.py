"""What of a run's services an orchestrator that is started again has to know: services.json in the run directory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skyrack.orchestrator.runtime.files import write_whole
from skyrack.orchestrator.scenario import Service


@dataclass(frozen=True, slots=True)
class Kept:
    """The services there are, and which start of each is in force, by node and service.

    `editions`: the versions of a service's software by its name, where there are several; `versions`: which of them is in
    force, and which was before, by node and service. `drained`: who has drained each node that is.
    """

    services: tuple[Service, ...]
    generations: Mapping[tuple[str, str], int]
    editions: Mapping[str, tuple[Service, ...]] = field(default_factory=dict)
    versions: Mapping[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    drained: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def write(path: Path, kept: Kept) -> None:
    """Replace the file as a whole. Raises OSError."""
    data = {
        "services": [_dump(service) for service in kept.services],
        "generations": [[node, name, number] for (node, name), number in kept.generations.items()],
        "editions": {name: [_dump(one) for one in editions] for name, editions in kept.editions.items()},
        "versions": [[*place, *numbers] for place, numbers in kept.versions.items()],
        "drained": {node: list(by) for node, by in kept.drained.items()},
    }
    write_whole(path, json.dumps(data, indent=1))


def _dump(service: Service) -> dict[str, Any]:
    return service.model_dump(mode="json", exclude_none=True)


def read(path: Path) -> Kept | None:
    """What was written last; None where there is nothing usable."""
    try:
        data = json.loads(path.read_text())
        services = tuple(Service.model_validate(item) for item in data["services"])
        generations = {(str(node), str(name)): int(number) for node, name, number in data["generations"]}
        editions = {
            str(name): tuple(Service.model_validate(item) for item in items)
            for name, items in data["editions"].items()
        }
        versions = {
            (str(node), str(name)): (int(now), int(before)) for node, name, now, before in data["versions"]
        }
        drained = {str(node): tuple(map(str, by)) for node, by in data["drained"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return Kept(services, generations, editions, versions, drained)
